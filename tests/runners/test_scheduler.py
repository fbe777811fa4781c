import subprocess
import sys

CODE = """
import resource
from l2l.runners.scheduler import LOOPBACK, OwnScheduler
hard = min(resource.getrlimit(resource.RLIMIT_NOFILE)[1], 4096)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
OwnScheduler(LOOPBACK, tls=False).close()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard)
"""


def test_the_scheduler_may_open_as_many_files_as_the_user():
    """Each job of one worker takes three, and the usual limit is 1,024."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr
