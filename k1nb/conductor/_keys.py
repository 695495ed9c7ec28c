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
