// The thread that looks after a live session's journal: successors and hashes, what may be deleted, a disk that is slow or failed. [journal]
#ifndef HD_RUNTIME_LIVE_JOURNAL_H
#define HD_RUNTIME_LIVE_JOURNAL_H

// argument: struct hd_live. Ends when it stops. After a failed flush new orders are refused at once, cancels and fills go on for a moment, and then the
// session stops with live->failed set.
void *hd_live_journal(void *argument);

#endif
