# The leader's machine is gone, and something blocks the replay of both others: whoever is chosen fails
# to be promoted, a hundred times. The record may not grow with that, neither by policies that wait for
# their proof nor by timelines (decision 0058): when the replay goes on somebody leads.
world 3 nodes, quorum
promote_timeout 1 s
writers 3, every 300 ms
choices seeds 1 to 3

at 0 s a blocked replay: n2
at 0 s a blocked replay: n3
at 0 s power loss: leader
at 900 s mend a blocked replay: n2
mend a blocked replay: n3
await a leader other than n1 within 60 s
mend power loss: n1
await health within 120 s
expect no acknowledged write lost
