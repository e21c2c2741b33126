//! What the operating system reports about memory: the machine, the control groups around this process, its own limits.

use std::path::{Path, PathBuf};

/// Folders in which the system reports. Tests create their own.
#[derive(Debug, Clone)]
pub(super) struct System {
    pub proc: PathBuf,
    pub cgroups: PathBuf,
    /// A fixed answer.
    pub fixed: Option<u64>,
}

impl Default for System {
    fn default() -> Self {
        Self { proc: "/proc".into(), cgroups: "/sys/fs/cgroup".into(), fixed: None }
    }
}

impl System {
    /// Returns a system with `bytes` bytes left.
    pub fn of_bytes(bytes: u64) -> Self {
        Self { fixed: Some(bytes), ..Self::default() }
    }

    /// Returns the bytes that this process could still take; `None` where the system does not tell.
    pub fn available(&self) -> Option<u64> {
        if self.fixed.is_some() {
            return self.fixed;
        }
        let machine = kilobytes_of(&self.proc.join("meminfo"), "MemAvailable:");
        machine.into_iter().chain(self.left_in_cgroups()).chain(self.left_of_limits()).min()
    }

    /// Returns the private bytes of a process, without files that it merely maps.
    pub fn held_by(&self, pid: u32) -> Option<u64> {
        let status = self.proc.join(pid.to_string()).join("status");
        kilobytes_of(&status, "RssAnon:").or_else(|| kilobytes_of(&status, "VmRSS:"))
    }

    /// Returns a name of the boot and the process namespace: processes with the same name see the same process ids.
    pub fn name(&self) -> Option<String> {
        let boot = std::fs::read_to_string(self.proc.join("sys/kernel/random/boot_id")).ok()?;
        let namespace = std::fs::read_link(self.proc.join("self/ns/pid")).ok()?;
        let digits: String = namespace.to_string_lossy().chars().filter(char::is_ascii_digit).collect();
        Some(format!("{}-{digits}", boot.trim()))
    }

    /// Returns what each group from ours up to the root still allows. A container may see its own group as the root, or not find
    /// it under the path it is given, so missing folders are skipped.
    fn left_in_cgroups(&self) -> Vec<u64> {
        let text = std::fs::read_to_string(self.proc.join("self/cgroup")).unwrap_or_default();
        let mut left = Vec::new();
        for line in text.lines() {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
            let path = Path::new(path.trim_start_matches('/'));
            if controllers.is_empty() {
                for root in [self.cgroups.clone(), self.cgroups.join("unified")] {
                    left.extend(path.ancestors().filter_map(|group| left_in_v2(&root.join(group))));
                }
            } else if controllers.split(',').any(|name| name == "memory") {
                let root = self.cgroups.join("memory");
                left.extend(path.ancestors().filter_map(|group| left_in_v1(&root.join(group))));
            }
        }
        left
    }

    /// Returns what RLIMIT_AS and RLIMIT_DATA still allow.
    fn left_of_limits(&self) -> Vec<u64> {
        let (limits, status) = (self.proc.join("self/limits"), self.proc.join("self/status"));
        let text = std::fs::read_to_string(limits).unwrap_or_default();
        let left = |(limit, used): (&str, &str)| {
            let line = text.lines().find_map(|line| line.strip_prefix(limit))?;
            let soft: u64 = line.split_whitespace().next()?.parse().ok()?;
            Some(soft.saturating_sub(kilobytes_of(&status, used)?))
        };
        [("Max address space", "VmSize:"), ("Max data size", "VmData:")].into_iter().filter_map(left).collect()
    }
}

/// Returns what a group of version 2 still allows. The kernel drops cached files before it refuses memory, so they count as free.
fn left_in_v2(group: &Path) -> Option<u64> {
    let limit = ["memory.max", "memory.high"].into_iter().filter_map(|file| number_in(&group.join(file))).min()?;
    let used = number_in(&group.join("memory.current"))?;
    Some(limit.saturating_sub(used.saturating_sub(cached(group, ["inactive_file ", "active_file "]))))
}

fn left_in_v1(group: &Path) -> Option<u64> {
    let limit = number_in(&group.join("memory.limit_in_bytes"))?;
    let used = number_in(&group.join("memory.usage_in_bytes"))?;
    Some(limit.saturating_sub(used.saturating_sub(cached(group, ["total_inactive_file ", "total_active_file "]))))
}

fn cached(group: &Path, names: [&str; 2]) -> u64 {
    let text = std::fs::read_to_string(group.join("memory.stat")).unwrap_or_default();
    let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u64>().ok());
    names.into_iter().filter_map(value).sum()
}

/// Reads a number from a file; `None` also for the word `max`, which is no limit.
fn number_in(file: &Path) -> Option<u64> {
    std::fs::read_to_string(file).ok()?.trim().parse().ok()
}

/// Reads a line such as `VmHWM:  123 kB`, as bytes.
pub(super) fn kilobytes_of(file: &Path, label: &str) -> Option<u64> {
    let text = std::fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()?.checked_mul(1 << 10)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    const MB: u64 = 1 << 20;

    /// Builds a machine of files.
    pub fn machine(files: &[(&str, String)]) -> (tempfile::TempDir, System) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let system = System { proc: folder.path().join("proc"), cgroups: folder.path().join("cgroup"), fixed: None };
        (folder, system)
    }

    pub fn meminfo(megabytes: u64) -> (&'static str, String) {
        ("proc/meminfo", format!("MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:   {} kB\n", megabytes << 10))
    }

    #[test]
    fn without_limits_it_is_what_the_machine_has() {
        let (_folder, system) = machine(&[meminfo(500)]);
        assert_eq!(system.available(), Some(500 * MB));
        let (_folder, system) = machine(&[]);
        assert_eq!(system.available(), None);
    }

    #[test]
    fn the_tightest_group_above_us_counts_and_cached_files_are_free() {
        let (_folder, system) = machine(&[
            meminfo(5_000),
            ("proc/self/cgroup", "0::/outer/inner\n".into()),
            ("cgroup/outer/memory.max", format!("{}\n", 1_000 * MB)),
            ("cgroup/outer/memory.current", format!("{}\n", 800 * MB)),
            ("cgroup/outer/memory.stat", format!("anon 1\ninactive_file {}\nactive_file {}\n", 200 * MB, 100 * MB)),
            ("cgroup/outer/inner/memory.max", "max\n".into()),
            ("cgroup/outer/inner/memory.current", "5\n".into()),
        ]);
        assert_eq!(system.available(), Some(500 * MB));
    }

    #[test]
    fn a_container_that_sees_its_own_group_as_the_root_is_bound_by_it() {
        let (_folder, system) = machine(&[
            meminfo(5_000),
            ("proc/self/cgroup", "0::/\n".into()),
            ("cgroup/memory.max", (300 * MB).to_string()),
            ("cgroup/memory.current", (100 * MB).to_string()),
        ]);
        assert_eq!(system.available(), Some(200 * MB));
        // Version 1 gives the path as the host sees it, which does not exist inside.
        let (_folder, system) = machine(&[
            meminfo(5_000),
            ("proc/self/cgroup", "5:cpu,memory:/docker/0123\n4:name=systemd:/x\n".into()),
            ("cgroup/memory/memory.limit_in_bytes", (300 * MB).to_string()),
            ("cgroup/memory/memory.usage_in_bytes", (250 * MB).to_string()),
            ("cgroup/memory/memory.stat", format!("total_inactive_file {}\n", 40 * MB)),
        ]);
        assert_eq!(system.available(), Some(90 * MB));
    }

    #[test]
    fn limits_of_the_process_count_less_what_it_has_taken() {
        let limits = |space: &str, data: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max data size             {data}            unlimited            bytes     \n\
                 Max address space         {space}            unlimited            bytes     \n"
            )
        };
        let status = || ("proc/self/status", format!("VmSize:\t {} kB\nVmData:\t {} kB\n", 100 << 10, 30 << 10));
        let with = |space: &str, data: &str| {
            let (_folder, system) = machine(&[meminfo(5_000), status(), ("proc/self/limits", limits(space, data))]);
            system.available()
        };
        assert_eq!(with("unlimited", "unlimited"), Some(5_000 * MB));
        assert_eq!(with(&(400 * MB).to_string(), "unlimited"), Some(300 * MB));
        assert_eq!(with(&(400 * MB).to_string(), &(130 * MB).to_string()), Some(100 * MB));
        assert_eq!(with(&(40 * MB).to_string(), "unlimited"), Some(0));
    }
}
