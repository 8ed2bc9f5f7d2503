# Shrunk from seed 5 with attach_without_comparing, which broke I12: n2 attached to n1 with WAL that it
# lacks. Who led comes back under a name that may count, and nobody has compared its WAL.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant attach_without_comparing
choices seeds 1 to 40
lasts 2 s

at 0 ms a one-way cut: n1, n2 for 1 s
expect I12 broken
