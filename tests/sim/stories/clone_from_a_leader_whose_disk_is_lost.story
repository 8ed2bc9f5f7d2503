# The same with two nodes: the clone destroyed the last copy. Small from seed 20261128538, which broke
# I11.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
choices seeds 1 to 11

at 0 ms an empty disk: n1 for 1 s
at 0 ms promoted behind our back: n2
await health within 180 s
expect no acknowledged write lost
