# ha.md 6.3: everything on the leader's machine stands still for longer than its grant, then goes on
# where it stood. By then somebody else leads, and nothing that the old one answers may count.
tags real
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s a frozen machine: n1
await a leader other than n1 within 30 s
await 20 writes within 30 s
after 5 s mend a frozen machine: n1
await 20 writes within 30 s
await health within 120 s
expect no acknowledged write lost
