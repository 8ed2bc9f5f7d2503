# PROTOCOL 1, a restarted agent never continues a claim: the agent of n1 ends right behind the
# beginning of a handover, whose heir has just lost its disk. Since when the heir is waited for was
# known to that run alone. If the next one went on with the claim, it would wait for ever, and the
# others for it; and an empty heir waits for a leader.
world 3 nodes, quorum
acknowledgements 1
writers 3, every 100 ms
plant claim_outlives_its_run
choices seeds 1 to 20
lasts 20 s

at 1 s a slow disk: n1 for 2 s
an operator's switchover: n2
after 150 ms an empty disk: n2 for 1 s
after 1500 ms kill -9 of an agent: n1
expect I21 broken
