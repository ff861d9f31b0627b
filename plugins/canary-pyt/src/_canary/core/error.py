"""The exceptions of tests under the name by which some test files import them."""

from canary_pyt.errors import TestDiffed as TestDiffed
from canary_pyt.errors import TestFailed as TestFailed
from canary_pyt.errors import TestSkipped as TestSkipped
from canary_pyt.errors import TestTimedOut as TestTimedOut
from canary_pyt.errors import diff_exit_status as diff_exit_status
from canary_pyt.errors import exception_exit_status as exception_exit_status
from canary_pyt.errors import fail_exit_status as fail_exit_status
from canary_pyt.errors import skip_exit_status as skip_exit_status
from canary_pyt.errors import timeout_exit_status as timeout_exit_status
