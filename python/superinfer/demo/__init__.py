"""What ``superinfer demo`` runs, written to be read: an agent program with SLOs beside a batch job.

``agent.py`` is the program, ``batch.py`` the job, ``board.py`` counts who met their SLO, ``show.py`` runs them.
"""
