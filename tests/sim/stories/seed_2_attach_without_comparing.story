# Shrunk from seed 2 with attach_without_comparing (22 faults, 3 machines), which broke I12: n1 attached
# to n2 with WAL that it lacks. Both machines lose power, n2 opens without the last record of n1, and
# n1 attaches under a name that may count without having been compared.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant attach_without_comparing
choices seeds 1 to 300
lasts 2 s

at 0 ms two machines lose power: n2, n1 for 430 ms
expect I12 broken
