"""Map wake- and sleep-like states of the AdEx mean-field brain over g, b_e, E_L_e, E_L_i and T."""

from l2l import BrainNetwork, Experiment, Grid, Real, datasets
from l2l.observables.activity import Activity
from l2l.observables.target import Target
from l2l.optimizees.perturbation import Perturbation
from l2l.simulator.stimulus import Step

POINTS = 3  # values of each: 243 networks take minutes on a laptop. 15 or 16 are a study, for GPUs or a cluster:
# l2l run examples/adex_sweep.py --runner slurm:16; l2l plot --kind grid --x b_e --y G --where "rate<50" --to maps.png

brain = datasets.load("tvb-68").connectome.without_self_connections().normalised("rows")
activity = Activity(variable="E", weights=brain.weights)  # of excitatory cells, kHz

network = BrainNetwork(
    model="ZerlautAdaptationSecondOrder",
    connectome=brain,
    target=Target(),  # nothing is fitted: FC is compared with the connectome
    free={
        "G": Real(0.0, 0.5),  # g of the TVB-HPC study: coupling between regions
        "b_e": Real(0.0, 120.0, unit="pA"),  # adaptation
        "E_L_e": Real(-80.0, -60.0, unit="mV"),
        "E_L_i": Real(-80.0, -60.0, unit="mV"),
        "T": Real(5.0, 40.0, unit="ms"),
    },
    # As in the studies, with TVB's derivatives: the correct ones leave these states. ou_drift is the noise.
    parameters={"tvb_compatible": 1, "a_e": 0, "weight_noise": 1e-4}
    | {"external_input_ex_ex": 0.315e-3, "external_input_in_ex": 0.315e-3},
    initial=dict.fromkeys(["E", "I", "C_ee", "C_ei", "C_ii"], 0.0) | {"W_e": 100.0},
    sigma={"ou_drift": 2**0.5},
    speed=4.0, dt=0.1, integrator="heun", duration="5 s", transient="1 s", tr="100 ms",
    monitors=[activity.monitor],
    objectives=activity["fc_sc"],
    measure=activity.terms,
    record="pci",  # of 50 ms of input to one region, averaged over trials
    perturbation=Perturbation(Step(state="E", amplitude=1e-3, nodes=[5], onset=1000, end=1050), trials=10),
)  # fmt: skip
experiment = Experiment(network, Grid(POINTS), name="adex sweep", recordings="none", seed=1)
