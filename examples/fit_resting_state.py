"""Fit the reduced Wong-Wang model to group-average resting-state functional connectivity."""

from l2l import CMAES, BrainNetwork, Experiment, Real, datasets

# 84 FreeSurfer regions: structural connectome and functional connectivity, averaged over a group.
# Fetched on first use.
data = datasets.load("dk-average")

network = BrainNetwork(
    model="ReducedWongWang",  # Deco et al. (2013), excitatory, one state variable
    connectome=data.connectome.sqrt().normalised("spectral"),
    target=data.fc,
    free={
        "G": Real(0.0, 2.0),  # global coupling
        "w": Real(0.2, 0.7),  # local recurrence
        "I_o": Real(0.28, 0.34, unit="nA"),  # external input
        "sigma": Real(2e-3, 2e-2, log=True),  # noise amplitude
    },
    duration="4 min",
    tr="720 ms",
    validation_duration="10 min",
)

experiment = Experiment(
    network,
    CMAES(population=64),
    generations=15,
    validate=5,  # the best five again, with fresh noise
    runner="dask",  # a local cluster on all cores
    seed=1,
)

if __name__ == "__main__":
    experiment.run()
