// What somebody does with the official JavaScript SDK: `node javascript_client.cjs PACKAGE URL WORKFLOW TASK TASK`.
// Registers two task types and a workflow of them, starts it, waits, and prints what became of it as JSON.

const [, , folder, url, workflow, first, second] = process.argv;
const { orkesConductorClient, MetadataClient, WorkflowExecutor, noopLogger } = require(folder);

const limits = { timeoutSeconds: 600, timeoutPolicy: "TIME_OUT_WF", ownerEmail: "dev@k1.reinvented" };

async function main() {
  const client = await orkesConductorClient({ serverUrl: url, logger: noopLogger });
  const metadata = new MetadataClient(client);
  for (const name of [first, second]) {
    await metadata.registerTask({ name, retryCount: 0, responseTimeoutSeconds: 60, ...limits });
  }
  const use = (name, taskReferenceName, n) => ({ name, taskReferenceName, type: "SIMPLE", inputParameters: { n } });
  await metadata.registerWorkflowDef({
    name: workflow,
    version: 1,
    schemaVersion: 2,
    tasks: [use(first, "first", "${workflow.input.n}"), use(second, "second", "${first.output.n}")],
    outputParameters: { n: "${second.output.n}" },
    ...limits,
  }, true);
  const workflows = new WorkflowExecutor(client);
  const id = await workflows.startWorkflow({ name: workflow, version: 1, input: { n: 0 } });
  let execution;
  do {
    await new Promise((resolve) => setTimeout(resolve, 200));
    execution = await workflows.getWorkflow(id, true);
  } while (execution.status === "RUNNING");
  const workers = execution.tasks.map((task) => task.workerId);
  process.stdout.write(JSON.stringify({ id, status: execution.status, output: execution.output, workers }) + "\n");
  process.exit(0);
}

main().catch((error) => { process.stderr.write(`${error.stack}\n`); process.exit(1); });
