title: A view told again, after another one that this node did not hear of, is not called active
rule: docs/protocol.md, "Told again"; found by checking, 1
nodes: 1 2

at 0 node 1: starts as life 1
at 0 node 2: starts as life 2
at 0 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Seek 1>2 #1 to host2:80: members {1 2}
at 0 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Told 2>1 #1 to host1:80: members {1 2}, epoch 0
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/1, members {1 2}, numbered no
at 1 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, synced none, history none, base 0, log end 0, commit 0, lineage []
at 2 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, history 1, end 0, lineage [], dropped []
at 3 node 2: receives Adopt 1>2 #1
    sends Adopted 2>1 #1 to host1:80 life 1: ballot 1.0@1/1
at 4 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 0
at 5 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 1: ballot 1.0@1/1, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 6 node 1: receives Replicated 2>1 #1
at 6 node 1: status
    is active as primary in {1 2}; promised 1.0@1/1, log 0, commit 0, 0 keys, 0 waiting

# The next view is {2}. Only node 2 hears of it, serves alone, and takes a write that nobody else has.
at 10 node 2: told {2}
    accepts the view
    notes view_told members=2=host2:80 epoch=unnumbered
    notes proposed ballot=2.0@2 members=2
    notes base_chosen ballot=2.0@2 source=2 end=0
    notes became_primary ballot=2.0@2 commit=0 backups=0
at 11 node 2: put k = only-at-2 (1)
    answers (1): created at 0

# {1 2} is told again, to node 1 first. What node 1 remembers as active is not what was ordered now. If it said
# "active", the outside could take node 2 for replaceable.
at 20 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Replicate 1>2 #2 to host2:80 life 2: ballot 1.0@1/1, first 0, operations [], commit 0, round 1
at 20 node 1: status
    is installing as primary in {1 2}; promised 1.0@1/1, log 0, commit 0, 0 keys, 0 waiting

# A read at node 1 waits for a round as well, and gets no old answer.
at 21 node 1: get k (2)
at 22 node 2: receives Replicate 1>2 #2
    notes ignored reason=promised_higher message=Replicate sender=1
    sends Refuse 2>1 #2 to whoever asked life 1: ballot 1.0@1/1, reason promised_higher, addressee 2, promised 2.0@2/2
at 23 node 1: receives Refuse 2>1 #2
    notes suspected backup=2 reason="it has promised ballot 2.0@2"
at 23 node 1: status
    is installing as primary in {1 2}; promised 1.0@1/1, log 0, commit 0, 0 keys, 1 waiting
    waits for 2 at host2:80: it has promised ballot 2.0@2, for 0 ms

# Node 2 is told, too, and makes itself known. It goes on serving {2} while node 1 asks for a copy of what it holds.
at 30 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Told 2>1 #2 to host1:80: members {1 2}, epoch 0
at 31 node 1: receives Told 2>1 #2
    sends Seek 1>2 #2 to host2:80: members {1 2}
at 32 node 2: receives Seek 1>2 #2
    notes filling learners=1
    sends Offer 2>1 #1 to host1:80 life 1: ballot 2.0@2/2, history 1, end 1, kept 0, near 0, lineage [1.0@1/1 from 0, 2.0@2/2 from 0]
at 33 node 1: receives Offer 2>1 #1
    sends Fetch 1>2 #1 to host2:80 life 2: ballot 2.0@2/2, snapshot yes, position 0, end 1
at 34 node 2: receives Fetch 1>2 #1
    notes state_sent to=1 what=copy end=1
    sends SnapshotChunk 2>1 #1 to host1:80 life 1: ballot 2.0@2/2, applied 1, evicted 0, offset 0, total 2, pairs [k = only-at-2], origins [2/2: 1 results, settled 0, from 0 to 0], keys []
at 35 node 1: receives SnapshotChunk 2>1 #1
    notes state_received source=2 what=copy end=1
    sends Learned 1>2 #1 to host2:80 life 2: ballot 2.0@2/2, end 1, final no
at 36 node 2: receives Learned 1>2 #1
    sends Offer 2>1 #2 to host1:80 life 1: ballot 2.0@2/2, history 1, end 1, kept 0, near 0, lineage [1.0@1/1 from 0, 2.0@2/2 from 0]
at 37 node 1: receives Offer 2>1 #2
    sends Learned 1>2 #2 to host2:80 life 2: ballot 2.0@2/2, end 1, final no
    notes proposed ballot=3.0@1 members=1,2
    sends Propose 1>2 #2 to host2:80: ballot 3.0@1/1, members {1 2}, numbered no
at 38 node 2: receives Learned 1>2 #2
    sends Refuse 2>1 #3 to host1:80 life 1: ballot none, reason nothing_to_offer, addressee 2, promised 2.0@2/2
    notes filled reason="all learners are close"
at 39 node 1: receives Refuse 2>1 #3

# Node 1 has the copy, and goes above node 2's ballot.
at 40 node 2: receives Propose 1>2 #2
    notes stopped_serving reason="promised 3.0@1"
    notes promised ballot=3.0@1 synced=2.0@2 log_end=1
    sends Promise 2>1 #2 to host1:80 life 1: ballot 3.0@1/1, synced 2.0@2/2, history 1, base 0, log end 1, commit 1, lineage [1.0@1/1 from 0, 2.0@2/2 from 0]
at 41 node 1: receives Promise 2>1 #2
    notes base_chosen ballot=3.0@1 source=2 end=1
    sends Adopt 1>2 #2 to host2:80 life 2: ballot 3.0@1/1, history 1, end 1, lineage [1.0@1/1 from 0, 2.0@2/2 from 0], dropped []
at 42 node 2: receives Adopt 1>2 #2
    sends Adopted 2>1 #2 to host1:80 life 1: ballot 3.0@1/1
at 43 node 1: receives Adopted 2>1 #2
    notes became_primary ballot=3.0@1 commit=1 backups=1
    sends Replicate 1>2 #3 to host2:80 life 2: ballot 3.0@1/1, first 1, operations [], commit 1, round 0
at 44 node 2: receives Replicate 1>2 #3
    sends Replicated 2>1 #2 to host1:80 life 1: ballot 3.0@1/1, log end 1, round 0
    notes installed ballot=3.0@1 role=backup commit=1
at 45 node 1: receives Replicated 2>1 #2
    sends Replicate 1>2 #4 to host2:80 life 2: ballot 3.0@1/1, first 1, operations [], commit 1, round 1
at 49 node 1: status
    is active as primary in {1 2}; promised 3.0@1/1, log 1, commit 1, 1 keys, 1 waiting

# Both hold the write now, and only now the read is answered.
at 50 node 2: receives Replicate 1>2 #4
    sends Replicated 2>1 #3 to host1:80 life 1: ballot 3.0@1/1, log end 1, round 1
at 51 node 1: receives Replicated 2>1 #3
    answers (2): only-at-2 after 1
at 51 node 2: status
    is active as backup in {1 2}; promised 3.0@1/1, log 1, commit 1, 1 keys, 0 waiting
