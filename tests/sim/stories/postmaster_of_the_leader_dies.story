# The supervisor sees a dead postmaster at once. Another node, or the same one in a new term, opens,
# and what was acknowledged is there.
tags real, ci
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s kill -9 of a postmaster: n1
await 20 writes within 60 s
expect a higher term
expect no acknowledged write lost
