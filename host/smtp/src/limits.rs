//! Each number of the RFC once: what a session may grow to, wait for and put up with.
//!
//! Promises that the defaults stand at or above the floors of RFC 5321 §4.5.3. Leaves out what belongs to a form rather
//! than to a session: the sizes in [`crate::address`], [`crate::path`] and [`crate::reply`].

use std::time::Duration;

/// Limits of one session; any value is fine, a small one only refuses more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// A command line with its CRLF. RFC 5321 §4.5.3.1.4's 512, and what extensions add to MAIL and RCPT: RFC 1870 26,
    /// RFC 6152 17, RFC 6531 10, RFC 4954 500, RFC 3461 114 + 501, RFC 6710 17; rounded up.
    pub command_line_bytes_max: usize,
    /// A line of an AUTH exchange with its CRLF: RFC 4954 §4.
    pub authentication_line_bytes_max: usize,
    /// Refused AUTH exchanges, the last of which is answered 421; our choice: a person connects again, a machine loses time.
    pub authentication_failures_max: u32,
    /// What is read and dropped of a longer line before the session is ended; our choice.
    pub command_drain_bytes_max: usize,
    /// Content of one message, announced or received. RFC 5321 §4.5.3.1.7 has 64 KiB as the floor; ours is a common size.
    pub message_bytes_max: u64,
    /// What is read and dropped of a refused content before the session is ended; our choice, several times a message.
    pub content_drain_bytes_max: u64,
    /// A line of content with its CRLF. RFC 5321 §4.5.3.1.6 has 1,000 as the floor; real mail has longer ones.
    pub text_line_bytes_max: usize,
    /// Recipients of one transaction. RFC 5321 §4.5.3.1.8 has 100 as the floor; Postfix takes 1,000.
    pub recipients_max: u32,
    /// Addresses that rewrites may make of one RCPT; RFC 5321 §4.5.3.1.8's floor.
    pub rewrites_max: u32,
    /// Messages of one session; our choice. Whoever has more connects again.
    pub messages_max: u32,
    /// Commands that broke the protocol, the last of which is answered 421; Postfix's `smtpd_hard_error_limit`.
    pub errors_max: u32,
    /// Replies of 4xx and 5xx, the last of which is a 421; far above `errors_max`, since a list may have dead recipients.
    pub refusals_max: u32,
    /// Verbs that nobody knows, the last of which is answered 421; Exim's `smtp_max_unknown_commands` is 3, and HTTP
    /// reaches either.
    pub unknown_commands_max: u32,
    /// Commands since the last message that bring none nearer (NOOP, RSET, VRFY, HELP, greetings); Postfix's
    /// `smtpd_junk_command_limit`.
    pub idle_commands_max: u32,
    /// Rounds of one dialogue of a sink; our choice.
    pub dialogue_rounds_max: u32,
    /// Bytes that one round of it may read, line or octets; RFC 4954 §4's line of 12,288 fits well.
    pub dialogue_input_bytes_max: u32,
    /// Bytes that all its rounds may read; our choice.
    pub dialogue_total_bytes_max: u64,
    /// Bytes of state that a sink may keep between two rounds; our choice.
    pub dialogue_state_bytes_max: usize,
    /// Wait for a command. RFC 5321 §4.5.3.2.7: at least 5 minutes.
    pub command_wait_max: Duration,
    /// A handshake in all. Shorter than any command: no person types it, and each one costs us a signature.
    pub handshake_wait_max: Duration,
    /// Wait for the first content behind 354. The client's own wait is RFC 5321 §4.5.3.2.4's 2 minutes.
    pub content_start_wait_max: Duration,
    /// Wait for the next block of content. RFC 5321 §4.5.3.2.5: 3 minutes.
    pub content_block_wait_max: Duration,
    /// Slowest content that is waited for, in the long run; Postfix's `smtpd_min_data_rate`.
    pub content_bytes_per_second_min: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_line_bytes_max: 2_048,
            authentication_line_bytes_max: 12_288,
            authentication_failures_max: 5,
            command_drain_bytes_max: 64 * 1_024,
            message_bytes_max: 50 * 1_024 * 1_024,
            content_drain_bytes_max: 256 * 1_024 * 1_024,
            text_line_bytes_max: 1_024 * 1_024,
            recipients_max: 1_000,
            rewrites_max: 100,
            messages_max: 10_000,
            errors_max: 20,
            refusals_max: 1_000,
            unknown_commands_max: 10,
            idle_commands_max: 100,
            dialogue_rounds_max: 32,
            dialogue_input_bytes_max: 64 * 1_024,
            dialogue_total_bytes_max: 1_024 * 1_024,
            dialogue_state_bytes_max: 64 * 1_024,
            command_wait_max: Duration::from_mins(5),
            handshake_wait_max: Duration::from_secs(30),
            content_start_wait_max: Duration::from_mins(2),
            content_block_wait_max: Duration::from_mins(3),
            content_bytes_per_second_min: 500,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_stand_above_the_floors_of_the_rfc() {
        let limits = Limits::default();
        assert!(limits.command_line_bytes_max >= 512 + 26 + 17 + 10 + 500 + 114 + 501 + 17);
        assert!(limits.message_bytes_max >= 64 * 1_024);
        assert!(limits.text_line_bytes_max >= 1_000);
        assert!(limits.recipients_max >= 100);
        assert!(limits.command_wait_max >= Duration::from_mins(5));
        assert!(limits.content_start_wait_max >= Duration::from_mins(2));
        assert!(limits.content_block_wait_max >= Duration::from_mins(3));
    }
}
