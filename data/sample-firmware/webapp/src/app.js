// Which release this is, and where its device answers, stands beside the page.
const say = (id, text) => { document.getElementById(id).textContent = text; };
const ask = async (url) => {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url} answered ${response.status}`);
  return response.json();
};

try {
  const release = await ask("k1nb-release.json");
  say("release", `${release.release_version}, ${release.environment}`);
  const info = await ask(`${release.api}/api/device-info`);
  say("device", `${release.device}, ${info.mac}`);
  const health = await ask(`${release.api}/api/health`);
  say("fps", health.fps.toFixed(1));
} catch (error) {
  say("device", error.message);
}
