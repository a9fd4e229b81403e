"""What the page says of outcomes, faults and phases, in plain words, for the share page and the app. Imports nothing."""

# Each outcome: its name, and what it means.
OUTCOMES = {
    "consensus": (
        "Consensus",
        "Every seat stands behind this answer, or a rule stricter than a majority was met.",
    ),
    "majority": ("Majority", "More than half of the seats stand behind this answer. Others do not."),
    "split": ("Split", "This answer leads, but no more than half of the seats stand behind it."),
    "deadlock": ("Deadlock", "Two or more answers lead together. There is no winner."),
    "insufficient_quorum": ("No quorum", "Too few votes were heard to decide anything."),
    "degraded": ("Seat missing", "A seat that should have voted was missing."),
    "cancelled": ("Cancelled", "Somebody stopped this debate before it was decided."),
    "failed": ("Failed", "The debate could not be held."),
}
# Each fault: the rest of a sentence that begins with the seat's name.
FAULTS = {
    "refused": "declined to answer",
    "rate_limited": "was told by its vendor to slow down",
    "overloaded": "could not answer: its vendor is too busy",
    "timeout": "did not answer in time",
    "truncated": "stopped before the end of its answer",
    "malformed": "gave an answer that could not be read",
    "auth": "could not be asked: its key is missing or wrong",
    "unavailable": "could not be reached",
    "budget": "was not asked: the call would have passed the cost limit",
}
PHASES = {
    "propose": "Answer blind",
    "critique": "Critique",
    "revise": "Revise",
    "vote": "Vote",
    "judge": "Judge",
    "synthesise": "Put together",
}
EXAMPLES = (
    "Should a small team build its own login or buy one?",
    "Is it wiser to rent or to buy a home at today's interest rates?",
    "Should our city make its buses free?",
    "Is remote work better for new employees than an office?",
)
