"""The fault sweep: a scenario is lived again and again, each time with other faults, and each life is judged.

`kinds` says what can go wrong with a call, `plans` where, `lives` lets a plan happen, `invariants` judges what
came of it, `shrinking` looks for the smallest plan that does as much, `report` tells, and `sweeping` leads.
"""
