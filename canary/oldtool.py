"""What is known of the older tool's plugins: which hook of ours does what theirs did.

They are never loaded. The same table is in `docs/guide/migrating.md`; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

GROUP: Final = "canary"
DISTRIBUTION: Final = "canary-wm"

# what of ours does the work of which hooks of theirs
_INSTEAD: Final = (
    ("canary_settings()", "addoption addconfig"),
    (
        "canary_commands()",
        "addcommand subcommand query_subcommand query_execute fetch_subcommand fetch_execute",
    ),
    ("none: options are declared with canary_settings()", "cmdline_parse"),
    ("canary_configure(), which may refuse but not edit", "cmdline_modifyargs"),
    ("canary_unconfigure()", "finish"),
    ("none: canary help and the reference are made from the source", "capabilities skills"),
    ("canary_session_start()", "sessionstart runtests_start"),
    ("canary_session_finish()", "sessionfinish runtests_finish runtests_report"),
    ("canary_spec_generators(), canary_ignore_path()", "collectstart"),
    ("canary_ignore_path()", "collect_modifyitems"),
    ("canary_event()", "collect_report generate_report select_report rtselect_report"),
    ("canary_spec_generators()", "testcase_generator generator"),
    (
        "canary_select()",
        "generatestart generate_modifyitems selectstart select_modifyitems rtselectstart "
        "rtselect_modifyitems",
    ),
    ("canary_group(), canary_launchers()", "runtests"),
    ("canary_launchers()", "runtest_launcher runtest hpc_batch_runner"),
    ("canary_job_setup()", "runteststart"),
    ("canary_job_finish()", "runtest_finish"),
    ("canary_rebaseline()", "runtest_rebaseline"),
    ("canary_machine()", "resource_pool_fill"),
    ("canary_resources()", "resource_pool_update gpu_backend_detect gpu_list_gpus"),
    (
        "none: the pool answers",
        "resource_pool_accommodates resource_pool_count resource_pool_count_per_node "
        "resource_pool_types",
    ),
    ("none: canary info shows the machine", "resource_pool_describe"),
    ("canary_reporters()", "reporter"),
    ("canary_group()", "hpc_batch_setup"),
)
# what does the work of each of theirs, as a text; in theirs each begins with `canary_`
HOOKS: Final[Mapping[str, str]] = {
    f"canary_{old}": ours for ours, names in _INSTEAD for old in names.split()
}
