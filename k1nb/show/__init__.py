"""What people look at: executions as timelines, the figure of the day, plans, checks, and what the terminal prints."""

from k1nb.show._day import day
from k1nb.show._definitions import (
    differences_table,
    findings_table,
    print_differences,
    print_rules,
    report_table,
)
from k1nb.show._fleet import fleet
from k1nb.show._history import print_history
from k1nb.show._patterns import pattern_report, print_pattern_report, print_pattern_reports
from k1nb.show._records import print_cells, print_difference, print_hits, print_record, print_records
from k1nb.show._releases import print_approvals, print_releases
from k1nb.show._rollout import print_rollout, print_rollout_changes, print_rollouts
from k1nb.show._schedules import print_schedules
from k1nb.show._seals import print_verification
from k1nb.show._tables import Table, checks_table, plan_table, services_table
from k1nb.show._terminal import (
    print_artifact,
    print_artifacts,
    print_change,
    print_checks,
    print_devices,
    print_execution,
    print_executions,
    print_plan,
    print_readings,
    print_services,
)
from k1nb.show._timeline import timeline
from k1nb.show._work import work, work_table

__all__ = [
    "Table",
    "checks_table",
    "day",
    "differences_table",
    "findings_table",
    "fleet",
    "pattern_report",
    "plan_table",
    "print_approvals",
    "print_artifact",
    "print_artifacts",
    "print_cells",
    "print_change",
    "print_checks",
    "print_devices",
    "print_difference",
    "print_differences",
    "print_execution",
    "print_executions",
    "print_history",
    "print_hits",
    "print_pattern_report",
    "print_pattern_reports",
    "print_plan",
    "print_readings",
    "print_record",
    "print_records",
    "print_releases",
    "print_rollout",
    "print_rollout_changes",
    "print_rollouts",
    "print_rules",
    "print_schedules",
    "print_services",
    "print_verification",
    "report_table",
    "services_table",
    "timeline",
    "work",
    "work_table",
]
