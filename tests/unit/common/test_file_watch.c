/* What keyring_watch's own tests leave open: several files, in directories that they share or not.
 */
#include "process/file_watch.h"
#include "support/patience.h"
#include "support/scratch.h"

#include <poll.h>

#define FILE_WATCH_TEST(name) Test(file_watch, name, .init = scratch_make, .fini = scratch_remove)

/* A notice must come: nothing here waits for the next look. */
static void await_notice(struct file_watch *watch)
{
    struct pollfd polled = {.fd = file_watch_fd(watch), .events = POLLIN};
    cr_assert_eq(poll(&polled, 1, PATIENCE_MS), 1);
    file_watch_update(watch);
}

static void open_watch(struct file_watch *watch, struct watched_file *files, size_t num)
{
    struct error error;
    cr_assert_eq(file_watch_open(watch, files, num, &error), NTS_OK, "%s", error.text);
    for (size_t i = 0; i < num; i++) {
        cr_assert(watched_file_changed(&files[i]), "nothing counts as seen");
        watched_file_see(&files[i], NULL);
        cr_assert_not(watched_file_changed(&files[i]));
    }
}

FILE_WATCH_TEST(tells_which_of_several_files_in_one_directory_has_changed)
{
    struct watched_file files[] = {{.path = scratch_write("a", "1", 1, 0600)},
                                   {.path = scratch_write("b", "1", 1, 0600)}};
    struct file_watch watch;
    open_watch(&watch, files, 2);
    scratch_write("c", "1", 1, 0600);
    await_notice(&watch);
    cr_assert_not(watched_file_changed(&files[0]));
    cr_assert_not(watched_file_changed(&files[1]), "a neighbour is no matter");
    scratch_write("b", "22", 2, 0600);
    await_notice(&watch);
    cr_assert_not(watched_file_changed(&files[0]));
    cr_assert(watched_file_changed(&files[1]));
    watched_file_see(&files[1], NULL);
    cr_assert_not(watched_file_changed(&files[1]));
    file_watch_close(&watch);
}

/* certbot: live/x leads to archive/x1, then to archive/x2. */
FILE_WATCH_TEST(a_directory_is_watched_for_as_long_as_one_file_leads_there)
{
    cr_assert_eq(scratch_run("mkdir live old new && echo 1 > old/a && echo 1 > old/b && "
                             "ln -s ../old/a live/a && ln -s ../old/b live/b"),
                 0);
    struct watched_file files[] = {{.path = scratch_path("live/a")},
                                   {.path = scratch_path("live/b")}};
    struct file_watch watch;
    open_watch(&watch, files, 2);
    cr_assert_eq(scratch_run("echo 1 > new/a && ln -sf ../new/a live/a"), 0);
    await_notice(&watch);
    cr_assert(watched_file_changed(&files[0]));
    cr_assert_not(watched_file_changed(&files[1]));
    watched_file_see(&files[0], NULL);

    while (poll(&(struct pollfd){.fd = file_watch_fd(&watch), .events = POLLIN}, 1, 50) == 1) {
        file_watch_update(&watch);
    }
    cr_assert_eq(scratch_run("echo 22 > old/b"), 0);
    await_notice(&watch); /* the other file has left the directory, but not this one */
    cr_assert(watched_file_changed(&files[1]));
    cr_assert_eq(scratch_run("echo 22 > new/a"), 0);
    await_notice(&watch);
    cr_assert(watched_file_changed(&files[0]));
    file_watch_close(&watch);
}

FILE_WATCH_TEST(needs_the_directory_and_not_the_file)
{
    struct watched_file file = {.path = scratch_path("none")};
    struct file_watch watch;
    struct error error;
    cr_assert_eq(file_watch_open(&watch, &file, 1, &error), NTS_OK);
    cr_assert_not(watched_file_changed(&file), "what is not there is what was not seen");
    scratch_write("none", "1", 1, 0600);
    await_notice(&watch);
    cr_assert(watched_file_changed(&file));
    file_watch_close(&watch);

    file.path = scratch_path("none/at/all");
    cr_assert_eq(file_watch_open(&watch, &file, 1, &error), NTS_ERR_SYSTEM);
    cr_assert_not_null(strstr(error.text, "none/at/all: cannot watch its directory"), "%s",
                       error.text);
}
