//! Which of the configured routes a domain goes by.
//!
//! Promises that the most exact pattern wins: the domain itself, then `*.` before the nearest of the domains above it, then
//! `*`. Leaves out what a route is: an entry stores its name alone, so that a changed route holds for mail that waits.

use std::collections::{HashMap, HashSet};

use smtp::{Domain, QueueName, Route};

use crate::config::Config;

/// The domains of a route, as the configuration writes them.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum DomainPattern {
    /// One domain.
    One(Domain),
    /// All domains below it.
    Below(Domain),
    /// All that nobody here owns.
    Others,
}

/// The configured routes by domain.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    exact: HashMap<Box<str>, QueueName>,
    below: HashMap<Box<str>, QueueName>,
    others: Option<QueueName>,
    /// All of them, those too that only sinks choose.
    names: HashSet<QueueName>,
}

impl DomainPattern {
    /// Reads `example.org`, `*.example.org` or `*`.
    ///
    /// # Errors
    /// A sentence that says what was expected.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let malformed = |_| format!("{text:?} is neither a domain nor `*.` before one, nor `*`.");
        if text == "*" {
            return Ok(Self::Others);
        }
        match text.strip_prefix("*.") {
            Some(above) => Domain::parse(above).map(Self::Below).map_err(malformed),
            None => Domain::parse(text).map(Self::One).map_err(malformed),
        }
    }
}

impl Routes {
    /// Those of a configuration.
    ///
    /// # Errors
    /// A sentence about a name or a domain that is none; [`crate::config::judge`] tells this with its place.
    pub(crate) fn new(config: &Config) -> Result<Self, String> {
        let mut routes = Self::default();
        for (name, route) in &config.routes {
            let queue = QueueName::parse(name).map_err(|error| error.to_string())?;
            routes.names.insert(queue.clone());
            for text in &route.domains {
                match DomainPattern::parse(text)? {
                    DomainPattern::One(domain) => {
                        routes.exact.insert(domain.as_str().into(), queue.clone());
                    }
                    DomainPattern::Below(domain) => {
                        routes.below.insert(domain.as_str().into(), queue.clone());
                    }
                    DomainPattern::Others => routes.others = Some(queue.clone()),
                }
            }
        }
        Ok(routes)
    }

    /// The route of a domain that is named, or is below a named one: it holds for our own domains too.
    pub(crate) fn named(&self, domain: &Domain) -> Option<Route> {
        self.exact
            .get(domain.as_str())
            .or_else(|| self.above(domain))
            .map(|queue| Route::configured(queue.clone()))
    }

    /// The next hop of a domain that nobody here owns.
    pub(crate) fn of_foreign(&self, domain: &Domain) -> Route {
        let others = || self.others.clone().map(Route::configured);
        self.named(domain).or_else(others).unwrap_or_else(|| Route::exchangers(domain.clone()))
    }

    /// Whether there is a route of that name.
    pub(crate) fn has(&self, name: &QueueName) -> bool {
        self.names.contains(name)
    }

    fn above(&self, domain: &Domain) -> Option<&QueueName> {
        let Domain::Name(name) = domain else { return None };
        if self.below.is_empty() {
            return None;
        }
        let mut rest = &**name;
        while let Some((_, above)) = rest.split_once('.') {
            if let Some(queue) = self.below.get(above) {
                return Some(queue);
            }
            rest = above;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use smtp::{Domain, NextHop};

    use super::Routes;
    use crate::config::load;

    const ROUTES: &str = "[routes.one]\ndomains = [\"example.net\", \"a.b.example.org\"]\n\
         [routes.near]\ndomains = [\"*.b.example.org\"]\n[routes.far]\ndomains = [\"*.example.org\"]\n";

    #[track_caller]
    fn check(text: &str, domain: &str, named: Option<&str>, foreign: &str) {
        let routes = Routes::new(&load::parse(text).unwrap()).unwrap();
        let domain = Domain::parse(domain).unwrap();
        assert_eq!(routes.named(&domain).map(|route| route.queue.to_string()).as_deref(), named);
        assert_eq!(routes.of_foreign(&domain).queue.as_str(), foreign);
    }

    #[test]
    fn the_most_exact_pattern_wins() {
        check(ROUTES, "Example.NET", Some("one"), "one");
        check(ROUTES, "a.b.example.org", Some("one"), "one");
        check(ROUTES, "x.y.b.example.org", Some("near"), "near");
        check(ROUTES, "b.example.org", Some("far"), "far");
    }

    #[test]
    fn what_no_route_names_goes_to_its_exchangers() {
        check(ROUTES, "example.org", None, "example.org");
        check(ROUTES, "myexample.net", None, "myexample.net");
        check(ROUTES, "[192.0.2.1]", None, "[192.0.2.1]");
        let routes = Routes::default();
        let domain = Domain::parse("example.com").unwrap();
        assert_eq!(routes.of_foreign(&domain).to, NextHop::Exchangers(domain));
    }

    #[test]
    fn a_star_takes_what_nobody_here_owns_and_nothing_else() {
        let all = &format!("{ROUTES}[routes.hub]\ndomains = [\"*\"]\n");
        check(all, "example.com", None, "hub");
        check(all, "[192.0.2.1]", None, "hub");
        check(all, "example.net", Some("one"), "one");
    }
}
