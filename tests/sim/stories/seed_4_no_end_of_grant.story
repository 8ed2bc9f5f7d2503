# Shrunk from seed 4 with no_end_of_grant, which broke I4: n1 is primary although its grant ended. Cut
# off without the store it can renew nothing, and nobody stops it.
world 2 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant no_end_of_grant
choices quiet
lasts 4.195929 s

at 0 ms the store is away for 5 s
at 0 ms one node is cut off but not from the store: n1 for 4 s
expect I4 broken
