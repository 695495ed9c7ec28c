"""What somebody does with the official Python SDK: `python python_client.py URL WORKFLOW TASK_TYPE TASK_TYPE`.

Registers two task types and a workflow of them, starts it, waits, and prints what became of it as JSON.
"""

from __future__ import annotations

import json
import sys
import time

from conductor.client.configuration.configuration import Configuration
from conductor.client.http.models import StartWorkflowRequest, TaskDef, WorkflowDef, WorkflowTask
from conductor.client.orkes_clients import OrkesClients

OWNER = "dev@k1.reinvented"
LIMITS = {"timeout_seconds": 600, "timeout_policy": "TIME_OUT_WF", "owner_email": OWNER}


def main(url: str, workflow: str, first: str, second: str) -> None:
    """Do it all."""
    clients = OrkesClients(Configuration(server_api_url=url))
    metadata, workflows = clients.get_metadata_client(), clients.get_workflow_client()
    uses = []
    for name, source in ((first, "${workflow.input.n}"), (second, "${first.output.n}")):
        metadata.register_task_def(TaskDef(name=name, retry_count=0, response_timeout_seconds=60, **LIMITS))
        reference = "first" if name == first else "second"
        uses.append(WorkflowTask(name=name, task_reference_name=reference, input_parameters={"n": source}))
    outputs = {"n": "${second.output.n}"}
    definition = WorkflowDef(
        name=workflow, version=1, tasks=uses, output_parameters=outputs, schema_version=2, **LIMITS
    )
    metadata.register_workflow_def(definition, overwrite=True)
    started = workflows.start_workflow(StartWorkflowRequest(name=workflow, version=1, input={"n": 0}))
    while (execution := workflows.get_workflow(started, include_tasks=True)).status == "RUNNING":
        time.sleep(0.2)
    workers = [task.worker_id for task in execution.tasks]
    said = {"id": started, "status": execution.status, "output": execution.output, "workers": workers}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
