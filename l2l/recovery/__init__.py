"""Parameter recovery: simulate at hidden parameters, fit that simulation, and tell how well each parameter came back.

from l2l.recovery import recover
for each in recover(experiment, at={"G": 1.2}).parameters:
    print(each.name, each.hidden, each.found, each.verdict)
"""

from l2l.recovery.identifiability import Verdict
from l2l.recovery.recover import Recoverable, hidden_parameters, recover
from l2l.recovery.report import Recovered, Recovery

__all__ = ["Recoverable", "Recovered", "Recovery", "Verdict", "hidden_parameters", "recover"]
