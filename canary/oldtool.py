"""What is known of the older tool's plugins: which hook of ours does what theirs did.

They are never loaded. The same table is in `docs/guide/migrating.md`; a test compares the two.
"""

from __future__ import annotations

from typing import Final

from canary.frozen import FrozenDict

GROUP: Final = "canary"
DISTRIBUTION: Final = "canary-wm"

HOOKS: Final = FrozenDict(
    {
        "canary_addoption": "canary_settings()",
        "canary_addcommand": "canary_commands()",
        "canary_subcommand": "canary_commands()",
        "canary_cmdline_parse": "none: options are declared with canary_settings()",
        "canary_cmdline_modifyargs": "canary_configure(), which may refuse but not edit",
        "canary_addconfig": "canary_settings()",
        "canary_finish": "canary_unconfigure()",
        "canary_query_subcommand": "canary_commands()",
        "canary_query_execute": "canary_commands()",
        "canary_fetch_subcommand": "canary_commands()",
        "canary_fetch_execute": "canary_commands()",
        "canary_capabilities": "none: canary help and the reference are made from the source",
        "canary_skills": "none: canary help and the reference are made from the source",
        "canary_sessionstart": "canary_session_start()",
        "canary_sessionfinish": "canary_session_finish()",
        "canary_collectstart": "canary_spec_generators(), canary_ignore_path()",
        "canary_collect_modifyitems": "canary_ignore_path()",
        "canary_collect_report": "canary_event()",
        "canary_testcase_generator": "canary_spec_generators()",
        "canary_generator": "canary_spec_generators()",
        "canary_generatestart": "canary_select()",
        "canary_generate_modifyitems": "canary_select()",
        "canary_generate_report": "canary_event()",
        "canary_selectstart": "canary_select()",
        "canary_select_modifyitems": "canary_select()",
        "canary_select_report": "canary_event()",
        "canary_rtselectstart": "canary_select()",
        "canary_rtselect_modifyitems": "canary_select()",
        "canary_rtselect_report": "canary_event()",
        "canary_runtests_start": "canary_session_start()",
        "canary_runtests": "canary_group(), canary_launchers()",
        "canary_runtests_finish": "canary_session_finish()",
        "canary_runtests_report": "canary_session_finish()",
        "canary_runtest_launcher": "canary_launchers()",
        "canary_runteststart": "canary_job_setup()",
        "canary_runtest": "canary_launchers()",
        "canary_runtest_finish": "canary_job_finish()",
        "canary_runtest_rebaseline": "canary_rebaseline()",
        "canary_resource_pool_fill": "canary_machine()",
        "canary_resource_pool_update": "canary_resources()",
        "canary_resource_pool_accommodates": "none: the pool answers",
        "canary_resource_pool_count": "none: the pool answers",
        "canary_resource_pool_count_per_node": "none: the pool answers",
        "canary_resource_pool_types": "none: the pool answers",
        "canary_resource_pool_describe": "none: canary info shows the machine",
        "canary_reporter": "canary_reporters()",
        "canary_gpu_backend_detect": "canary_resources()",
        "canary_gpu_list_gpus": "canary_resources()",
        "canary_hpc_batch_runner": "canary_launchers()",
        "canary_hpc_batch_setup": "canary_group()",
    }
)


def replacement(hook: str) -> str | None:
    """What does the work of the older tool's `hook`, as a text; None if it had no such hook."""
    return HOOKS.get(hook)
