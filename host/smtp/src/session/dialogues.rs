//! Dialogues through a whole session, with a loop that answers as it is told: test only.
