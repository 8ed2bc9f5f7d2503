# Shrunk from seed 4 with no_end_of_grant, which broke I4: n1 is primary although its grant ended. Cut
# off without the store it can renew nothing, and nobody stops it.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant no_end_of_grant
choices seeds 1 to 5
lasts 10 s

at 0 ms the store is away for 8 s
at 0 ms one node is cut off but not from the store: n1 for 9 s
expect I4 broken
