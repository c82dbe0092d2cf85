"""How much memory a job takes of a machine: what a party keeps of it while it serves it, and what it needs at work."""

from dataclasses import dataclass

from assay.chain.contracts.containers import Order
from assay.roles.assignment import Content, signature_of, states_kept, update_signature_of
from assay.work.limits import Space
from assay.work.program import Bundle
from assay.work.shelf import fit_stride, kept_states

SHELF_PART = 4
"""What states of rounds in work may take is a quarter of what there is; so one job alone does not take all."""
HASHED_BYTES = 150
"""Of a sample's hash and the one above it while its tree is built, as objects."""


@dataclass(frozen=True)
class Footprint:
    """Bytes of a job at one party, at most."""

    working_bytes: int
    kept_bytes: int


def open_rounds(order: Order) -> int:
    """Rounds that are in work at once, at most: whatever is not final, and the one ahead of it."""
    return min(order.lookahead + 1, order.rounds)


def shelf_bytes(order: Order, space: Space) -> int:
    """Room for the states that a provider keeps of one round."""
    return space.part_bytes(SHELF_PART * open_rounds(order))


def stride_of(order: Order, bundle: Bundle, space: Space) -> int:
    """Segments between two states that a provider keeps of a round."""
    count = order.steps_per_round // order.steps_per_segment
    return fit_stride(count, signature_of(bundle).encoded_bytes, shelf_bytes(order, space))


def footprint_of_any(order: Order, content: Content, space: Space) -> Footprint:
    """What everybody keeps who serves a job: its samples, its states, and what is prepared for its programs."""
    bundle, manifests = content.bundle, (content.train, content.test)
    size_bytes = sum(manifest.size_bytes for manifest in manifests)
    state_bytes = signature_of(bundle).encoded_bytes
    reading_bytes = size_bytes + HASHED_BYTES * max(manifest.count for manifest in manifests)
    running_bytes = max(program.live_bytes for _, _, program in bundle.sections())
    kept_bytes = size_bytes + (1 + states_kept(order, state_bytes, space)) * state_bytes + bundle.prepared_bytes
    return Footprint(max(reading_bytes, running_bytes), kept_bytes)


def footprint_of_provider(order: Order, content: Content, space: Space) -> Footprint:
    """Besides, the states of its rounds, as many as it keeps, and its updates, plain and sealed."""
    common, bundle = footprint_of_any(order, content, space), content.bundle
    count, state_bytes = order.steps_per_round // order.steps_per_segment, signature_of(bundle).encoded_bytes
    round_bytes = kept_states(count, stride_of(order, bundle, space)) * state_bytes
    round_bytes += 2 * update_signature_of(bundle).encoded_bytes
    return Footprint(common.working_bytes, common.kept_bytes + open_rounds(order) * round_bytes)


def footprint_of_judge(order: Order, content: Content, space: Space) -> Footprint:
    """Besides, every slot's update in every open round, and where the slots of one round have been derived to."""
    common, bundle = footprint_of_any(order, content, space), content.bundle
    updates_bytes = open_rounds(order) * update_signature_of(bundle).encoded_bytes
    slot_bytes = updates_bytes + signature_of(bundle).encoded_bytes
    return Footprint(common.working_bytes, common.kept_bytes + order.providers * slot_bytes)
