# async: nobody streams from n1 for 3 s, and it dies with more than max_loss. Nobody may take over; if
# whoever elects did not look at the limit, what is missing would be more than the record allows.
world 3 nodes, async
acknowledgements 1
writers 6, every 50 ms
plant max_loss_ignored
choices seeds 1 to 5
max_loss 5
lasts 40 s

at 1 s replication alone is cut: n1, n2
replication alone is cut: n1, n3
after 3 s power loss: n1 for 40 s
expect I6 broken
