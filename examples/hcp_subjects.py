"""Fit two models to each of seven HCP subjects and to their group; benchmarks/hcp_table.py prints the table."""

from l2l import CMAES, BrainNetwork, Cohort, Experiment, Real, Target, datasets

data = datasets.load("hcp-aal2")  # once: l2l datasets fetch hcp-aal2 --accept-terms

WONG_WANG = {
    "model": "ReducedWongWang",
    "free": {"G": Real(0, 2), "w": Real(0.2, 0.7), "I_o": Real(0.28, 0.34), "sigma": Real(2e-3, 2e-2, log=True)},
}
MONTBRIO = {  # a membrane time constant of 10 ms, so that dt = 1 ms is tau/10; see docs/hcp.md
    "model": "MontbrioPazoRoxin",
    "free": {"G": Real(5, 100, log=True), "eta": Real(-4, 0.5), "J": Real(0, 8)},
    "parameters": {"tau": 10.0, "Delta": 0.7},
    "initial": {"r": 0.01, "V": -2.0},
    "sigma": {"r": 0.0026, "V": 0.036},
    "integrator": "heun",
}


def fit(settings: dict) -> Experiment:
    def network(subject: str) -> BrainNetwork:
        own = data if subject == "group" else data.subject(subject)
        bold = [each.bold for each in data.subjects.values()] if subject == "group" else own.bold
        connectome = own.connectome.sqrt().normalised("spectral")
        target = Target(bold=bold, tr=data.tr, name=own.name)
        fit = {"objectives": "+fc_corr-fcd_ks", "tr": data.tr, "duration": "10 min", "validation_duration": "14 min"}
        return BrainNetwork(connectome=connectome, target=target, **fit, **settings)

    cohort = Cohort([*data.subjects, "group"], network)
    how = {"generations": 16, "validate": 5, "recordings": "best:1", "seed": 1}
    return Experiment(cohort, CMAES(population=32), name=f"hcp {settings['model']}", **how)


wong_wang, montbrio = fit(WONG_WANG), fit(MONTBRIO)

if __name__ == "__main__":
    wong_wang.run()
    montbrio.run()
