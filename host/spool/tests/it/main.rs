//! The spool as its callers see it, on a real file system and on disks that fail.

#[cfg(test)]
mod bodies;
#[cfg(test)]
mod compaction;
#[cfg(test)]
mod crashes;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod disks;
#[cfg(test)]
mod entries;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod format;
#[cfg(test)]
mod indexes;
#[cfg(test)]
mod leases;
#[cfg(test)]
mod limited;
#[cfg(test)]
mod pressure;
#[cfg(test)]
mod scene;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod surveys;
