# An operator hands over while the agent of the third node has just been killed: the handover waits
# for nobody but its heir.
tags real
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s kill -9 of an agent: n3
an operator's switchover: n2
await leader n2 within 60 s
await 20 writes within 30 s
await health within 120 s
expect no acknowledged write lost
