"""The code inside a lane: one warm sandbox slot that judges one completion at a time.

Three kinds of process share a lane. The *broker* is its init: it alone talks to the host and sees
whole jobs, and never forks foreign code. The *zygote* has the class's modules imported and never
sees a job's bytes. A *child* is forked from the zygote for each evaluation, gives up everything it
can, and only then reads its job from a pipe of its own. So foreign code never inherits memory,
descriptors or a uid that anything else in the lane has.

Standard library only, and nothing from outside this package: it is copied into lane images.
"""
