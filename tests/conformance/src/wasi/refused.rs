//! What has nothing to work on: no files, no sockets. The numbers are those of proxy-wasm-cpp-host where it has any.

use super::{AREA, BADF, NOENT, NOSYS, NOTSUP, SUCCESS, call};

/// A module for each row with one test: the call answers that number and writes nothing.
macro_rules! answers {
    ($($row:ident ($($argument:expr),*) $errno:ident $test:ident;)+) => {
        $(mod $row {
            #[test]
            fn $test() {
                let done = super::call(stringify!($row), &[$($argument),*]);
                assert_eq!((done.errno, done.area), (super::$errno, vec![0; 64]));
            }
        })+
    };
}

// Go's start reads descriptors from 3 on until it hears that one is bad, and closes what it has not opened.
answers! {
    fd_prestat_get(3, super::AREA) BADF no_folder_is_given_at_the_start;
    fd_prestat_dir_name(3, super::AREA, 8) BADF no_folder_is_given_at_the_start;
    fd_close(3) SUCCESS closing_is_easy;
    fd_seek(1, 0, 0, super::AREA) SUCCESS a_log_has_no_position;
    fd_tell(1, super::AREA) BADF a_log_has_no_position;
    fd_sync(1) SUCCESS a_log_is_always_written_out;
    fd_datasync(1) SUCCESS a_log_is_always_written_out;
    fd_advise(1, 0, 0, 0) SUCCESS advice_is_taken;
    fd_allocate(1, 0, 8) SUCCESS a_log_needs_no_room;
    fd_fdstat_set_flags(1, 0) SUCCESS flags_change_nothing;
    fd_fdstat_set_rights(1, 0, 0) SUCCESS rights_may_be_given_up;
    fd_filestat_get(1, super::AREA) BADF a_log_is_no_file;
    fd_filestat_set_size(1, 0) NOTSUP a_log_is_no_file;
    fd_filestat_set_times(1, 0, 0, 0) NOTSUP a_log_is_no_file;
    fd_read(0, super::AREA, 1, super::AREA) NOSYS there_is_nothing_to_read;
    fd_pread(0, super::AREA, 1, 0, super::AREA) NOSYS there_is_nothing_to_read;
    fd_pwrite(1, super::AREA, 1, 0, super::AREA) NOSYS a_log_is_no_file;
    fd_readdir(3, super::AREA, 8, 0, super::AREA) BADF there_are_no_folders;
    fd_renumber(1, 2) BADF descriptors_stay;
    path_create_directory(3, super::AREA, 1) NOTSUP there_are_no_folders;
    path_filestat_get(3, 0, super::AREA, 1, super::AREA) NOTSUP there_are_no_files;
    path_filestat_set_times(3, 0, super::AREA, 1, 0, 0, 0) NOTSUP there_are_no_files;
    path_link(3, 0, super::AREA, 1, 3, super::AREA, 1) NOTSUP there_are_no_files;
    path_open(3, 0, super::AREA, 1, 0, 0, 0, 0, super::AREA) NOENT there_are_no_files;
    path_readlink(3, super::AREA, 1, super::AREA, 1, super::AREA) NOTSUP there_are_no_files;
    path_remove_directory(3, super::AREA, 1) NOTSUP there_are_no_folders;
    path_rename(3, super::AREA, 1, 3, super::AREA, 1) NOTSUP there_are_no_files;
    path_symlink(super::AREA, 1, 3, super::AREA, 1) NOTSUP there_are_no_files;
    path_unlink_file(3, super::AREA, 1) NOTSUP there_are_no_files;
    proc_raise(6) NOTSUP there_are_no_signals;
    sock_accept(3, 0, super::AREA) NOTSUP there_are_no_sockets;
    sock_recv(3, super::AREA, 1, 0, super::AREA, super::AREA) NOTSUP there_are_no_sockets;
    sock_send(3, super::AREA, 1, 0, super::AREA) NOTSUP there_are_no_sockets;
    sock_shutdown(3, 0) NOTSUP there_are_no_sockets;
}
