"""Commentary: facts from the log, a draft by the model that writes no figure, a guard, a text."""
