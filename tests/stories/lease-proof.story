title: A lease is no proof that all members are there
rule: docs/protocol.md, "Leases"; found by checking, 9
nodes: 1 2 3
config: lease=1000ms

at 0 node 1: starts as life 1
at 0 node 2: starts as life 2
at 0 node 3: starts as life 3
at 0 node 1: told {1 2 3}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80,3=host3:80 epoch=unnumbered
    sends Seek 1>2 #1 to host2:80: members {1 2 3}
    sends Seek 1>3 #1 to host3:80: members {1 2 3}
at 0 node 2: told {1 2 3}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80,3=host3:80 epoch=unnumbered
    sends Told 2>1 #1 to host1:80: members {1 2 3}, epoch 0
at 0 node 3: told {1 2 3}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80,3=host3:80 epoch=unnumbered
    sends Told 3>1 #1 to host1:80: members {1 2 3}, epoch 0
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 3: receives Seek 1>3 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 3>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 3, promised none
at 0 node 1: receives Refuse 2>1 #1
at 0 node 1: receives Refuse 3>1 #1
    notes proposed ballot=1.0@1 members=1,2,3
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/1, members {1 2 3}, numbered no
    sends Propose 1>3 #1 to host3:80: ballot 1.0@1/1, members {1 2 3}, numbered no
at 1 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 3: receives Propose 1>3 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 3>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 3 node 1: receives Told 2>1 #1
    sends Propose 1>2 #2 to host2:80: ballot 1.0@1/1, members {1 2 3}, numbered no
at 4 node 1: receives Told 3>1 #1
    sends Propose 1>3 #2 to host3:80: ballot 1.0@1/1, members {1 2 3}, numbered no
at 5 node 1: receives Promise 2>1 #1
at 6 node 1: receives Promise 3>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
    sends Adopt 1>3 #1 to host3:80 life 3: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
at 7 node 2: receives Propose 1>2 #2
    sends Promise 2>1 #2 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 8 node 3: receives Propose 1>3 #2
    sends Promise 3>1 #2 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 9 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 1: ballot 1.0@1/1
at 10 node 3: receives Adopt 1>3 #1
    sends Adopted 3>1 #1 to host1:80 life 1: ballot 1.0@1/1
at 11 node 1: receives Promise 2>1 #2
    notes ignored reason=repeated message=Promise sender=2
at 12 node 1: receives Promise 3>1 #2
    notes ignored reason=repeated message=Promise sender=3
at 13 node 1: receives Adopted 2>1 #1
at 14 node 1: receives Adopted 3>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=2
    sends Replicate 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 0, lease 1000 ms
    sends Replicate 1>3 #1 to host3:80 life 3: ballot 1.0@1/1, first 0, operations [], commit 0, round 0, lease 1000 ms
at 15 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 0, lease 1000 ms
    notes installed ballot=1.0@1 role=backup commit=0
at 16 node 3: receives Replicate 1>3 #1
    sends Replicated 3>1 #1 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 0, lease 1000 ms
    notes installed ballot=1.0@1 role=backup commit=0
at 17 node 1: receives Replicated 2>1 #1
at 18 node 1: receives Replicated 3>1 #1

# All backups stand by 1, which answers reads at once, its own and those of a backup.
at 18 node 1: get k (1)
    answers (1): nothing after 0
at 18 node 2: get k (2)
    sends Confirm 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, ask 1, leased yes
at 19 node 1: receives Confirm 2>1 #1
    sends Confirmed 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, ask 1, position 0
at 20 node 2: receives Confirmed 1>2 #1
    answers (2): nothing after 0

# 3 is restarted; the view is told again to 2 alone. The lease of 3's former life still runs.
at 20 node 3: crashes
at 20 node 3: starts as life 4
at 20 node 2: told {1 2 3}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80,3=host3:80 epoch=unnumbered
    sends Confirm 2>1 #2 to host1:80 life 1: ballot 1.0@1/1, ask 2
at 20 node 2: get k (3)
at 21 node 1: receives Confirm 2>1 #2
    sends Replicate 1>2 #2 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 1, lease 1000 ms
    sends Replicate 1>3 #2 to host3:80 life 3: ballot 1.0@1/1, first 0, operations [], commit 0, round 1, lease 1000 ms
at 22 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 1, lease 1000 ms
at 23 node 3: receives Replicate 1>3 #2
    notes ignored reason=wrong_incarnation message=Replicate sender=1
    sends Refuse 3>1 #2 to whoever asked life 1: ballot 1.0@1/1, reason wrong_incarnation, addressee 3, promised none
at 24 node 1: receives Replicated 2>1 #2
at 25 node 1: receives Refuse 3>1 #2
    notes suspected backup=3 reason="it was restarted and has not been told this view since"

# Nobody is answered, and 2 does not say "active": an outside could restart 1 and 2 then.
at 25 node 2: status
    is installing as backup in {1 2 3}; promised 1.0@1/1, log 0, commit 0, 0 keys, 1 waiting
    waits for 1 at host1:80: the primary has not confirmed the view yet
