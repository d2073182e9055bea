"""The keeper: seals, jobs by the clock of New York, and alerts when a process falls silent.

`schedule` says when a job is due, `jobs` which there are, `runner` sees to it that each is done
once. The daemon is `python -m run.keeper`.
"""
