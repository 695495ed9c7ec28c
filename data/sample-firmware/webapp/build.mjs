// Copies src to dist and writes the commit into the page. No packages, no network.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";

const commit = (process.env.COMMIT_SHA ?? "").slice(0, 12) || "unknown";

rmSync("dist", { recursive: true, force: true });
cpSync("src", "dist", { recursive: true });
const page = readFileSync("dist/index.html", "utf8");
if (!page.includes("@COMMIT@")) throw new Error("src/index.html has no place for the commit");
writeFileSync("dist/index.html", page.replaceAll("@COMMIT@", commit));
console.log(`built dist for commit ${commit}`);
