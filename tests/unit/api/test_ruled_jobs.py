"""Jobs by every rule, played out on a network inside this process: the aggregates that are final are the rule's."""

import pytest
from own_jobs import make_net, tiny_job, tiny_samples

import assay
from assay.protocol.job import reports_needed
from assay.protocol.sections import RULE_REPORTS


@pytest.mark.parametrize("rule", sorted(set(RULE_REPORTS) - {"mean"}))
def test_a_job_ends_with_the_model_that_its_rule_gives(rule: str) -> None:
    bears = 0 if rule in ("krum", "multi-krum") else 1
    lines = f'rule = "{rule}"\nbyzantine_max = {bears}' + "\nnorm_max = 0.01" * (rule == "norm-bound")
    providers = reports_needed(rule, bears)
    terms = {"providers = 2": f"providers = {providers}", "reports_min = 1": lines, "rounds = 2": "rounds = 1"}
    with assay.connect(local=True, seed=b"ruled".ljust(32)) as net:
        job = net.post(tiny_job(**terms), model=make_net(), data=tiny_samples())
        job.wait()
        model, start = job.model(), make_net()
        moved = sum(
            float((after - before).square().sum().detach())
            for after, before in zip(model.parameters(), start.parameters(), strict=True)
        )
    assert moved > 0
    if rule == "norm-bound":
        assert moved <= 0.01**2 * 1.001
