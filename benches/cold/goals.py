"""The goals, each judged on the tables above it."""

import cases
import peers


def goal(what, reached, found):
    print(f"- {what}: {'reached' if reached else '**missed**'} ({found})", flush=True)


def print_goals(boards):
    """Judges every goal on the boards by name of their data set."""
    print("\n## Goals\n")
    for board in boards.values():
        name = board.data_set.name
        best, plain = board.best(), board.rows["recotem: " + cases.CANDIDATES[0].name]
        if name in cases.LEAST_NDCG:
            least, other = cases.LEAST_NDCG[name], board.rows[peers.FEATURE_IALS.name]
            goal(f"{name}: ndcg@{cases.CUTOFF} of at least {least:g}", best.ndcg() >= least, f"{best.ndcg():.4f}, {best.name}")
            times = plain.ndcg() / other.ndcg()
            what = f"{name}: {cases.TIMES_FEATURE_IALS:g} times irspack's feature-aware iALS, {len(cases.IALS_GRID)} settings each"
            goal(what, times >= cases.TIMES_FEATURE_IALS, f"{times:.2f} times, {plain.name}; {best.ndcg() / other.ndcg():.2f} times, {best.name}")
        if name in cases.LEVEL_WITH_CONTENT:
            difference, (low, high) = best.difference(board.rows[peers.CONTENT.name])
            goal(f"{name}: level with {peers.CONTENT.name}", high >= 0, f"{difference:+.4f}, from {low:+.4f} to {high:+.4f}, {best.name}")
        same_for_all = board.rows[peers.POPULARITY.name].ndcg()
        goal(f"{name}: not below {peers.POPULARITY.name}", best.ndcg() >= same_for_all, f"{best.ndcg():.4f}, that {same_for_all:.4f}")
        if name == cases.SPEED_SET:
            print_speed(board)


def print_speed(board):
    what = f"{board.data_set.name}: feature-aware iALS-32 fitted {cases.TIMES_AS_FAST:g} times as fast as irspack's at equal ndcg"
    if not board.speed:
        print(f"- {what}: not offered")
        return
    (ours, our_ndcg), (theirs, their_ndcg) = board.speed
    reached = theirs / ours >= cases.TIMES_AS_FAST and our_ndcg >= cases.EQUAL_NDCG * their_ndcg
    goal(what, reached, f"{ours:.2f} s beside {theirs:.2f} s, ndcg {our_ndcg:.4f} beside {their_ndcg:.4f}")
