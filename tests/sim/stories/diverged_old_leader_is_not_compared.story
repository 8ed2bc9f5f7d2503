# The story of diverged_old_leader_attaches with the comparison left out: the old leader streams with
# its own tail under a name that the next policy may count.
world 3 nodes, quorum
writers 6, every 50 ms
plant attach_without_comparing
choices seeds 1 to 20

at 1 s one node is cut off: n1 for 12 s
await a leader other than n1 within 20 s
await 20 writes within 20 s
a frozen PostgreSQL: n3 for 15 s
expect I12 broken
