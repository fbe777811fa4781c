"""Terms of a fit: each is what its formula says, alike alone and in a batch, and takes only what it asks for."""

from __future__ import annotations

from collections.abc import Callable

import cloudpickle
import numpy as np
import pytest
import scipy.stats

from l2l.errors import ObjectiveError, ObservableError
from l2l.observables.analysis import Analysis
from l2l.observables.fcd import fcd
from l2l.observables.observed import OBSERVABLES, Observed
from l2l.observables.target import Target
from l2l.observables.terms import TERMS, Combined, Term, as_term, as_terms, check_terms, score, score_each

NODES, VOLUMES, TR = 6, 150, 0.72
ANALYSIS = Analysis(fcd_window=20.0, fcd_step=5.0)
PCI = np.array([0.2, 0.5, 0.9])


def signals(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = rng.normal(size=(count, VOLUMES, 1))
    return rng.normal(size=(count, VOLUMES, NODES)) + common


def observed(bold: np.ndarray, **others: object) -> Observed:
    return Observed({"bold": bold, "tr": TR, "rates": bold.var(axis=1), "pci": PCI[: len(bold)], **others}, ANALYSIS)


def reference(seed: int = 9) -> dict:
    target = Target(bold=signals(1, seed)[0].T, tr=TR, rates=np.linspace(1, 3, NODES), pci=0.4)
    return target.reference([name for term in TERMS.values() for name in term.against], ANALYSIS, TR)


def lower(matrix: np.ndarray) -> np.ndarray:
    return matrix[np.tril_indices(len(matrix), -1)]


def test_scores_are_what_numpy_and_scipy_compute() -> None:
    bold, measured = signals(3), signals(1, 9)[0]
    found = score(TERMS.values(), observed(bold), reference())
    for i in range(3):
        a, b = lower(np.corrcoef(bold[i].T)), lower(np.corrcoef(measured.T))
        dynamics = [lower(fcd(each, TR, 20.0, 5.0)) for each in (bold[i], measured)]
        expected = {
            "fc_corr": np.corrcoef(a, b)[0, 1],
            "fc_mae": np.abs(a - b).mean(),
            "fc_rmse": np.sqrt(((a - b) ** 2).mean()),
            "fc_normalised_error": np.linalg.norm(a - b) / (2 * np.sqrt(len(a))),
            "fc_mean_difference": abs(a.mean() - b.mean()),
            "fcd_ks": scipy.stats.ks_2samp(*dynamics).statistic,
            "rates_rmse": np.sqrt(((bold[i].var(axis=0) - np.linspace(1, 3, NODES)) ** 2).mean()),
            "pci_error": abs(PCI[i] - 0.4),
        }
        # Sums of some hundred float64 numbers, in another order.
        assert {name: found[name][i] for name in expected} == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_is_best_at_its_target(name: str) -> None:
    target = Target(bold=signals(3)[0].T, tr=TR, rates=signals(3)[0].var(axis=0), pci=PCI[0])
    term = TERMS[name]
    found = score([term], observed(signals(3)), target.reference(term.against, ANALYSIS, TR))[name]
    # A perfect match, to rounding. The others are worse; fifteen pairs in fifty bins may be as complex by chance.
    assert found[0] == pytest.approx(1.0 if term.maximize else 0.0, abs=1e-9)
    if name != "functional_complexity_error":
        assert (found[1:] < 0.999).all() if term.maximize else (found[1:] > 1e-4).all()


@pytest.mark.parametrize("name", TERMS)
def test_a_simulation_scores_alike_alone_and_in_a_batch(name: str) -> None:
    bold, measured = signals(3).astype(np.float32), reference()
    together = score([TERMS[name]], observed(bold), measured)[name]
    alone = [score([TERMS[name]], observed(bold[i : i + 1], pci=PCI[i : i + 1]), measured)[name][0] for i in range(3)]
    np.testing.assert_array_equal(together, alone)


def test_each_simulation_may_have_a_target_of_its_own() -> None:
    bold, first, second = signals(3), reference(9), reference(10)
    terms = as_terms(["fc_corr", "fcd_ks", "+fc_corr-0.5*fcd_ks"])
    found = score_each(terms, observed(bold), [first, second, first])
    for members, own in (([0, 2], first), ([1], second)):
        expected = score(terms, observed(bold), own)
        for name, values in found.items():
            np.testing.assert_array_equal(values[members], expected[name][members])


def test_observables_are_computed_once_and_only_where_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []

    def counted(name: str, compute: Callable[..., object]) -> Callable[..., object]:
        def wrapped(**given: object) -> object:
            calls.append(name)
            return compute(**given)

        return wrapped

    for name, observable in OBSERVABLES.items():
        if observable.compute:
            observable.needs  # noqa: B018 - read from the signature before it is wrapped
            monkeypatch.setitem(observable.__dict__, "compute", counted(name, observable.compute))
    score(as_terms(["fc_corr", "fc_mae", "+fc_corr-fc_rmse"]), observed(signals(2)), {"fc": np.eye(NODES)})
    assert calls == ["fc"]


def test_hemispheres_may_be_left_apart() -> None:
    within = Analysis(pairs="within hemispheres")
    assert (target_mask := Analysis(pairs=list("llrlrr")).mask_of_pairs(6)) is not None
    assert target_mask[0].tolist() == [True, True, False, True, False, False]
    target = Target(bold=signals(1, 9)[0].T)
    bold = signals(2)
    seen = Observed({"bold": bold, "tr": TR, "pairs": target.mask_of_pairs(within)}, within)
    left, right = np.tril_indices(3, -1), tuple(index + 3 for index in np.tril_indices(3, -1))
    a = np.corrcoef(bold[1].T)
    expected = np.corrcoef([*a[left], *a[right]], [*target.fc[left], *target.fc[right]])[0, 1]
    found = score([TERMS["fc_corr"]], seen, target.reference(["fc"], within, TR))["fc_corr"]
    assert found[1] == pytest.approx(expected, abs=1e-12)


def test_a_function_of_observables_is_a_term() -> None:
    def spread(fc, target_fc, tr, offset=1.0):  # type: ignore[no-untyped-def]
        return float(np.abs(fc - target_fc).max() * tr + offset)

    term = cloudpickle.loads(cloudpickle.dumps(as_term(spread)))
    assert (term.name, term.maximize, term.needs, term.against) == ("spread", False, ("fc", "tr"), ("fc",))
    bold, measured = signals(3), reference()
    expected = [np.abs(np.corrcoef(each.T) - measured["fc"]).max() * TR + 1 for each in bold]
    # float64 throughout, as NumPy does it
    np.testing.assert_allclose(score([term], observed(bold), measured)["spread"], expected, rtol=1e-12)
    assert as_term(Term("s", spread, maximize=True)).maximize


def test_a_function_that_fails_fails_for_its_simulation_alone() -> None:
    bold = signals(3)

    def picky(bold):  # type: ignore[no-untyped-def]
        return "high" if bold[0, 0] > 90 else bold[0, 0]

    bold[1, 0, 0] = 99.0
    seen = observed(bold)
    found = score([as_term(picky)], seen, {})["picky"]
    np.testing.assert_array_equal(found, [bold[0, 0, 0], np.nan, bold[2, 0, 0]])
    assert list(seen.failures) == [1]
    assert "must return a number, but returned 'high'" in str(seen.failures[1])
    again = observed(bold)
    score_each([as_term(picky)], again, [{}, {}, {}])
    assert list(again.failures) == [1]


def test_a_combination_is_the_weighted_sum_that_it_says() -> None:
    combined = Combined("both", {"fc_corr": 1, "fcd_ks": -2.5})
    bold, measured = signals(2), reference()
    parts = score(as_terms(["fc_corr", "fcd_ks"]), observed(bold), measured)
    expected = parts["fc_corr"] - 2.5 * parts["fcd_ks"]
    for term in (combined, as_term("+fc_corr - 2.5*fcd_ks")):
        assert term.maximize
        np.testing.assert_array_equal(score([term], observed(bold), measured)[term.name], expected)


def test_known_terms_stay_themselves_when_they_travel() -> None:
    assert cloudpickle.loads(cloudpickle.dumps(TERMS["fcd_ks"])) is TERMS["fcd_ks"]


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: as_term("fc_cor"), "did you mean 'fc_corr'"),
        (lambda: as_term("+fc_corr-fcd_k"), "did you mean 'fcd_ks'"),
        (lambda: as_term(3), "must be a name of a term"),
        (lambda: as_term(lambda fc: fc.sum()), "needs a name"),
        (lambda: as_terms([]), "at least one objective"),
        (lambda: Term("t", lambda **given: given["fc"]), "must name the observables"),
        (lambda: Term("", abs), "non-empty string"),
        (lambda: Combined("c", {}), "needs weights by term"),
        (lambda: Combined("c", {"fc_corr": 0.0}), "must be a number, but is 0.0"),
        (lambda: Combined("c", {"+fc_corr-fcd_ks": 1}), "must be of single terms"),
        (lambda: as_terms(["fc_corr", Term("fc_corr", lambda fc: fc.sum())]), "two functions are called 'fc_corr'"),
        (lambda: check_terms([Term("t", lambda fcx: fcx.sum())], []), "did you mean 'fc'"),
    ],
)
def test_what_is_no_term_is_refused(build: Callable[[], object], message: str) -> None:
    with pytest.raises(ObjectiveError, match=message):
        build()


def test_what_was_not_observed_says_what_would_help() -> None:
    with pytest.raises(ObservableError, match=r"'pci' is not there"):
        Observed({"bold": signals(1), "tr": TR}, ANALYSIS)["pci"]
    with pytest.raises(ObservableError, match="did you mean 'fcd_values'"):
        observed(signals(1))["fcd_value"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"fcd_windo": 3.0}, "did you mean 'fcd_window'"),
        ({"pairs": "some"}, "unknown pairs"),
        ({"phase_band": (0.1, 0.01)}, "0 < low < high"),
        ({"band": "alpha"}, "must be"),
        ({"spectrum_window": 0.0}, "> 0 s"),
    ],
)
def test_settings_of_the_analysis_are_checked(settings: dict, message: str) -> None:
    with pytest.raises(ObservableError, match=message):
        Analysis.of(settings)
