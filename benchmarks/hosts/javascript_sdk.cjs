// A worker host of the official JavaScript SDK: `node javascript_sdk.cjs PACKAGE URL CONCURRENCY TASK_TYPE…`, until
// SIGTERM. Its settings are the SDK's defaults but for the concurrency.

const [, , folder, url, concurrency, ...names] = process.argv;
const { orkesConductorClient, TaskManager } = require(folder);

async function main() {
  const client = await orkesConductorClient({ serverUrl: url });
  const execute = async (task) => ({
    status: "COMPLETED",
    outputData: { n: Number(task.inputData?.n ?? 0) + 1 },
  });
  const workers = names.map((taskDefName) => ({ taskDefName, execute }));
  const manager = new TaskManager(client, workers, { options: { concurrency: Number(concurrency) } });
  manager.startPolling();
  process.on("SIGTERM", () => process.exit(0));
}

main();
