# The leader dies, and when its successor has a whole policy again that one dies too. The last node
# leads alone in the end only if the policy says that it may.
world 3 nodes, quorum
writers 4, every 100 ms
choices seeds 1 to 5

at 1 s power loss: n1
await a leader other than n1 within 30 s
await 1 voters within 60 s
power loss: leader
after 20 s heal
await 20 writes within 60 s
await health within 180 s
expect no acknowledged write lost
