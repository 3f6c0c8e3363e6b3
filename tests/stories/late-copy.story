title: A late copy of a forwarded write is recognised
rule: docs/protocol.md, "Writes"; a shrunk run in which it was applied twice
nodes: 1 2

at 0 node 1: starts as life 2
at 0 node 1: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Seek 1>2 #1 to host2:80: members {1 2}
at 0 node 2: starts as life 1
at 0 node 2: told {1 2}
    accepts the view
    notes view_told members=1=host1:80,2=host2:80 epoch=unnumbered
    sends Told 2>1 #1 to host1:80: members {1 2}, epoch 0
at 0 node 2: receives Seek 1>2 #1
    notes ignored reason=nothing_to_offer message=Seek sender=1
    sends Refuse 2>1 #1 to host1:80 life 2: ballot none, reason nothing_to_offer, addressee 2, promised none
at 0 node 1: receives Refuse 2>1 #1
    notes proposed ballot=1.0@1 members=1,2
    sends Propose 1>2 #1 to host2:80: ballot 1.0@1/2, members {1 2}, numbered no
at 0.143857 node 2: receives Propose 1>2 #1
    notes promised ballot=1.0@1 synced=None log_end=0
    sends Promise 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, synced none, history none, base 0, log end 0, commit 0, lineage []
at 0.181384 node 1: receives Promise 2>1 #1
    notes started_empty ballot=1.0@1
    notes base_chosen ballot=1.0@1 source=1 end=0
    sends Adopt 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, history 2, end 0, lineage [], dropped []
at 0.9578 node 1: receives Told 2>1 #1
    sends Adopt 1>2 #2 to host2:80 life 1: ballot 1.0@1/2, history 2, end 0, lineage [], dropped []
at 1.181092 node 2: receives Adopt 1>2 #2
    sends Adopted 2>1 #1 to host1:80 life 2: ballot 1.0@1/2
at 1.311199 node 1: receives Adopted 2>1 #1
    notes became_primary ballot=1.0@1 commit=0 backups=1
    sends Replicate 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, first 0, operations [], commit 0, round 0
at 1.412842 node 2: receives Replicate 1>2 #1
    sends Replicated 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, log end 0, round 0
    notes installed ballot=1.0@1 role=backup commit=0
at 1.766171 node 1: receives Replicated 2>1 #1

# Three writes at the backup; the last one is committed and its result remembered.
at 30.049194 node 2: put p3 = prefill3 (0)
    sends Forward 2>1 #1 to host1:80 life 2: ballot 1.0@1/2, since 0, patience 10000 ms, operation <put p3 = prefill3 of 2/1#0>
at 30.141109 node 1: receives Forward 2>1 #1
    sends Replicate 1>2 #2 to host2:80 life 1: ballot 1.0@1/2, first 0, operations [<put p3 = prefill3 of 2/1#0>], commit 0, round 0
at 31.096068 node 2: receives Replicate 1>2 #2
    sends Replicated 2>1 #2 to host1:80 life 2: ballot 1.0@1/2, log end 1, round 0
at 31.136602 node 2: put p4 = prefill4 (1)
    sends Forward 2>1 #2 to host1:80 life 2: ballot 1.0@1/2, since 0, patience 10000 ms, operation <put p4 = prefill4 of 2/1#1>
at 31.193677 node 1: receives Forward 2>1 #2
at 31.234732 node 2: put p5 = prefill5 (2)
    sends Forward 2>1 #3 to host1:80 life 2: ballot 1.0@1/2, since 0, patience 10000 ms, operation <put p5 = prefill5 of 2/1#2>
at 31.427845 node 1: receives Replicated 2>1 #2
    sends Forwarded 1>2 #1 to host2:80 life 1: ballot 1.0@1/2, verdicts [#0 created 0]
    sends Replicate 1>2 #3 to host2:80 life 1: ballot 1.0@1/2, first 1, operations [<put p4 = prefill4 of 2/1#1>], commit 1, round 0
at 31.848104 node 1: receives Forward 2>1 #3
at 31.961088 node 2: receives Replicate 1>2 #3
    answers (0): created at 0
    sends Replicated 2>1 #3 to host1:80 life 2: ballot 1.0@1/2, log end 2, round 0
at 32.697755 node 1: receives Replicated 2>1 #3
    sends Forwarded 1>2 #2 to host2:80 life 1: ballot 1.0@1/2, verdicts [#1 created 1]
    sends Replicate 1>2 #4 to host2:80 life 1: ballot 1.0@1/2, first 2, operations [<put p5 = prefill5 of 2/1#2>], commit 2, round 0
at 32.960565 node 2: receives Replicate 1>2 #4
    answers (1): created at 1
    sends Replicated 2>1 #4 to host1:80 life 2: ballot 1.0@1/2, log end 3, round 0
at 33.76243 node 1: receives Replicated 2>1 #4
    sends Forwarded 1>2 #3 to host2:80 life 1: ballot 1.0@1/2, verdicts [#2 created 2]

# Four seconds later a copy of it arrives. It gets no second place in the log: the known result is the answer.
at 4010.202198 node 1: receives Forward 2>1 #3
    sends Forwarded 1>2 #4 to host2:80 life 1: ballot 1.0@1/2, verdicts [#2 created 2]
    sends Replicate 1>2 #5 to host2:80 life 1: ballot 1.0@1/2, first 3, operations [], commit 3, round 0
at 4011 node 2: receives Forwarded 1>2 #4
    answers (2): created at 2
at 4011 node 1: status
    is active as primary in {1 2}; promised 1.0@1/2, log 3, commit 3, 3 keys, 0 waiting
