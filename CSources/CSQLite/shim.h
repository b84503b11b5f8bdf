/* SQLite, found by pkg-config.
 *
 * The module map names no library to link: the package's pkgConfig does for
 * SwiftPM, and the plugin links SQLite's archive, which an autolinked
 * -lsqlite3 would double. */
#ifndef CSQLITE_SHIM_H
#define CSQLITE_SHIM_H

#include <sqlite3.h>

/* Binds a copy. SQLITE_TRANSIENT is a cast that Swift cannot import. */
static inline int csqlite_bind_text(sqlite3_stmt *statement, int index,
                                    const char *text, int size) {
  return sqlite3_bind_text(statement, index, text, size, SQLITE_TRANSIENT);
}

/* Whether the file behind a connection was moved or deleted since it was
 * opened: 1, 0, or -1 when SQLite cannot tell. */
static inline int csqlite_has_moved(sqlite3 *connection) {
  int moved = 0;
  int code =
      sqlite3_file_control(connection, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
  return code == SQLITE_OK ? moved != 0 : -1;
}

#endif
