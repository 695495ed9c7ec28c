"""Every key that Conductor 3.32.1 reads; it drops any other silently."""

TASK_KEYS = frozenset(
    """
    name description ownerEmail ownerApp inputKeys outputKeys retryCount retryLogic retryDelaySeconds
    backoffScaleFactor maxRetryDelaySeconds backoffJitterMs timeoutSeconds responseTimeoutSeconds
    totalTimeoutSeconds pollTimeoutSeconds timeoutPolicy concurrentExecLimit rateLimitPerFrequency
    rateLimitFrequencyInSeconds inputTemplate inputSchema outputSchema enforceSchema isolationGroupId
    executionNameSpace baseType runtimeMetadata taskStatusListenerEnabled createTime updateTime
    createdBy updatedBy accessPolicy
    """.split()  # noqa: SIM905 - forty words, one a line, would hide the code
)
"""Of a task definition (TaskDef)."""
WORKFLOW_KEYS = frozenset(
    """
    name version schemaVersion description ownerEmail ownerApp timeoutPolicy timeoutSeconds
    failureWorkflow failureWorkflowVersion restartable inputParameters inputTemplate outputParameters
    variables tasks workflowStatusListenerEnabled workflowStatusListenerSink rateLimitConfig inputSchema
    outputSchema enforceSchema metadata cacheConfig maskedFields createTime updateTime createdBy
    updatedBy accessPolicy
    """.split()  # noqa: SIM905 - forty words, one a line, would hide the code
)
"""Of a workflow definition (WorkflowDef)."""
USE_KEYS = frozenset(
    """
    name taskReferenceName description inputParameters type optional permissive retryCount startDelay
    evaluatorType expression decisionCases defaultCase forkTasks joinOn joinStatus joinMode
    subWorkflowParam caseValueParam caseExpression scriptExpression dynamicTaskNameParam
    dynamicForkTasksParam dynamicForkTasksInputParamName sink taskDefinition rateLimited
    defaultExclusiveJoinTask asyncComplete loopCondition loopOver items onStateChange cacheConfig
    metadata
    """.split()  # noqa: SIM905 - forty words, one a line, would hide the code
)
"""Of a task within a workflow (WorkflowTask)."""
CHILD_KEYS = frozenset(
    """
    name version taskToDomain workflowDefinition idempotencyKey idempotencyStrategy priority
    """.split()  # noqa: SIM905 - as above
)
"""Of `subWorkflowParam` (SubWorkflowParams)."""
TASK_TYPES = frozenset(
    """
    SIMPLE USER_DEFINED DYNAMIC FORK_JOIN FORK_JOIN_DYNAMIC DECISION SWITCH JOIN EXCLUSIVE_JOIN DO_WHILE
    SUB_WORKFLOW START_WORKFLOW EVENT WAIT HUMAN HTTP LAMBDA INLINE TERMINATE KAFKA_PUBLISH
    JSON_JQ_TRANSFORM SET_VARIABLE NOOP PULL_WORKFLOW_MESSAGES AGENT CANCEL_AGENT GET_AGENT_CARD
    LIST_MCP_TOOLS CALL_MCP_TOOL LLM_CHAT_COMPLETE LLM_TEXT_COMPLETE LLM_GENERATE_EMBEDDINGS
    LLM_GET_EMBEDDINGS LLM_STORE_EMBEDDINGS LLM_INDEX_TEXT LLM_SEARCH_INDEX
    """.split()  # noqa: SIM905 - as above
)
"""Types of tasks (TaskType)."""
TASK_FACTS = frozenset(
    """
    input output status reasonForIncompletion taskId taskType taskDefName referenceTaskName
    workflowInstanceId workerId correlationId retryCount pollCount iteration callbackAfterSeconds
    scheduledTime startTime endTime
    """.split()  # noqa: SIM905 - as above
)
"""What a reference may ask of a task."""
WORKFLOW_FACTS = frozenset(
    """
    input output status reasonForIncompletion variables workflowId workflowType version schemaVersion
    correlationId parentWorkflowId parentWorkflowTaskId
    """.split()  # noqa: SIM905 - as above
)
"""What a reference may ask of the execution itself."""
FAILURE_INPUT = frozenset({"workflowId", "reason", "failureStatus", "failureTaskId", "failedWorkflow"})
"""What a failure workflow is given beside the failed one's input."""
