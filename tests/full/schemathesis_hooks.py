"""What schemathesis does otherwise than it can be configured to (tests/full/schemathesis.py).

schemathesis gives Hypothesis a target: that a request be accepted. Towards it Hypothesis shrinks what was accepted, in
attempts of which most are no new case, so that no number of cases bounds them (`ConjectureRunner.pareto_optimise`). With
bodies as large as those of these operations that was 9 of 10 samples of a profile. Without a target all that remains is
to generate, which `max-examples` bounds.
"""

import hypothesis


def target(observation, *, label=""):
    return observation


hypothesis.target = target
