/* Reads an ELF file that may be broken or hostile: every offset is checked
 * against the file before it is followed, every loop against the file's size.
 * The file is read into memory and not mapped, since a mapped file that
 * somebody truncates is a SIGBUS. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"

#define FILE_LIMIT ((off_t)1 << 30)

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#elif defined(__aarch64__)
#define MACHINE EM_AARCH64
#else
#error "which machine is this? Give its EM_ number"
#endif

struct elf {
  uint8_t *data;
  uint64_t size;
  Elf64_Ehdr head;
  uint64_t dynamic, dynamic_count; /* file offset and entries */
  uint64_t strings, strings_size;  /* of the dynamic section */
  uint64_t symbols, symbol_count;
};

/* Copies a record out, so that nothing is read unaligned. */
static int get(const struct elf *elf, uint64_t offset, void *into,
               uint64_t size) {
  if (offset > elf->size || size > elf->size - offset) return 0;
  memcpy(into, elf->data + offset, size);
  return 1;
}

static int program_header(const struct elf *elf, size_t i, Elf64_Phdr *out) {
  uint64_t at;
  if (i >= elf->head.e_phnum ||
      __builtin_add_overflow(elf->head.e_phoff, i * sizeof *out, &at))
    return 0;
  return get(elf, at, out, sizeof *out);
}

/* The file offset of an address, by the segments that are loaded. */
static int offset_of(const struct elf *elf, uint64_t address, uint64_t *out) {
  Elf64_Phdr p;
  for (size_t i = 0; program_header(elf, i, &p); i++) {
    if (p.p_type != PT_LOAD || address < p.p_vaddr ||
        address - p.p_vaddr >= p.p_filesz)
      continue;
    return !__builtin_add_overflow(p.p_offset, address - p.p_vaddr, out) &&
           *out < elf->size;
  }
  return 0;
}

int elf_dynamic(const struct elf *elf, int64_t tag, size_t i, uint64_t *value) {
  for (uint64_t n = 0; n < elf->dynamic_count; n++) {
    Elf64_Dyn entry;
    if (!get(elf, elf->dynamic + n * sizeof entry, &entry, sizeof entry) ||
        entry.d_tag == DT_NULL)
      return 0;
    if (entry.d_tag != tag || i-- != 0) continue;
    *value = entry.d_un.d_val;
    return 1;
  }
  return 0;
}

/* A string of the dynamic string table that ends inside it, or NULL. */
static const char *string_at(const struct elf *elf, uint64_t at) {
  if (at >= elf->strings_size) return NULL;
  const char *text = (const char *)elf->data + elf->strings + at;
  return memchr(text, 0, elf->strings_size - at) != NULL ? text : NULL;
}

const char *elf_dynamic_string(const struct elf *elf, int64_t tag, size_t i) {
  uint64_t at;
  return elf_dynamic(elf, tag, i, &at) ? string_at(elf, at) : NULL;
}

/* The symbols that a GNU hash table reaches; it has no count of its own. */
static uint64_t count_by_gnu_hash(const struct elf *elf, uint64_t at) {
  uint32_t head[4], last = 0, chain; /* buckets, first symbol, bloom, shift */
  if (!get(elf, at, head, sizeof head)) return 0;
  uint64_t buckets = at + sizeof head + (uint64_t)head[2] * 8;
  for (uint64_t i = 0; i < head[0]; i++) {
    uint32_t symbol;
    if (!get(elf, buckets + i * 4, &symbol, 4)) return 0;
    if (symbol > last) last = symbol;
  }
  if (last < head[1]) return head[1];
  uint64_t chains = buckets + (uint64_t)head[0] * 4;
  do {
    if (!get(elf, chains + (uint64_t)(last - head[1]) * 4, &chain, 4)) return 0;
    last++;
  } while ((chain & 1) == 0 && last != 0);
  return last;
}

static void find_symbols(struct elf *elf) {
  uint64_t table, hash, at, count = 0;
  uint32_t sizes[2];
  if (!elf_dynamic(elf, DT_SYMTAB, 0, &table) ||
      !offset_of(elf, table, &elf->symbols))
    return;
  if (elf_dynamic(elf, DT_HASH, 0, &hash) && offset_of(elf, hash, &at) &&
      get(elf, at, sizes, sizeof sizes))
    count = sizes[1];
  else if (elf_dynamic(elf, DT_GNU_HASH, 0, &hash) && offset_of(elf, hash, &at))
    count = count_by_gnu_hash(elf, at);
  uint64_t room = (elf->size - elf->symbols) / sizeof(Elf64_Sym);
  elf->symbol_count = count < room ? count : room;
}

static const char *find_dynamic(struct elf *elf) {
  Elf64_Phdr p;
  uint64_t address;
  for (size_t i = 0; i < elf->head.e_phnum; i++) {
    if (!program_header(elf, i, &p))
      return "its program headers lie outside the file (truncated?)";
    if (p.p_type == PT_LOAD &&
        (p.p_offset > elf->size || p.p_filesz > elf->size - p.p_offset))
      return "a segment lies outside the file (truncated?)";
    if (p.p_type != PT_DYNAMIC) continue;
    elf->dynamic = p.p_offset;
    elf->dynamic_count = p.p_filesz / sizeof(Elf64_Dyn);
    if (p.p_offset > elf->size || p.p_filesz > elf->size - p.p_offset)
      return "its dynamic section lies outside the file (truncated?)";
  }
  if (elf->dynamic_count == 0)
    return "it has no dynamic section: not a shared object (link with -shared)";
  if (!elf_dynamic(elf, DT_STRTAB, 0, &address) ||
      !elf_dynamic(elf, DT_STRSZ, 0, &elf->strings_size) ||
      !offset_of(elf, address, &elf->strings) ||
      elf->strings_size > elf->size - elf->strings)
    return "its dynamic string table lies outside the file";
  find_symbols(elf);
  return NULL;
}

static const char *check_head(const struct elf *elf) {
  const uint8_t *ident = elf->data;
  if (elf->size < EI_NIDENT || memcmp(ident, ELFMAG, SELFMAG) != 0)
    return "it is not an ELF file";
  if (ident[EI_CLASS] != ELFCLASS64)
    return "it is not of 64 bits: the plugin ABI is for LP64";
  if (ident[EI_DATA] != ELFDATA2LSB)
    return "it is big-endian, this machine is little-endian";
  if (elf->size < sizeof elf->head)
    return "it is shorter than an ELF header (truncated?)";
  if (elf->head.e_machine != MACHINE)
    return "it is for another kind of processor";
  if (elf->head.e_type == ET_EXEC) return "it is an executable, not a library";
  if (elf->head.e_type == ET_REL)
    return "it is an object file (.o): link it with -shared";
  if (elf->head.e_type == ET_CORE) return "it is a core dump";
  if (elf->head.e_type != ET_DYN) return "its ELF type is unknown";
  if (elf->head.e_phentsize != sizeof(Elf64_Phdr))
    return "its program headers have a wrong size";
  return NULL;
}

static const char *read_whole(struct elf *elf, const char *path) {
  struct stat status;
  int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return strerror(errno);
  const char *fault = NULL;
  if (fstat(fd, &status) != 0)
    fault = strerror(errno);
  else if (!S_ISREG(status.st_mode))
    fault = "not a regular file";
  else if (status.st_size > FILE_LIMIT)
    fault = "it is larger than 1 GiB";
  else if ((elf->data = malloc((size_t)status.st_size + 1)) == NULL)
    fault = "out of memory";
  while (fault == NULL && elf->size < (uint64_t)status.st_size) {
    ssize_t got = read(fd, elf->data + elf->size,
                       (size_t)status.st_size - (size_t)elf->size);
    if (got < 0 && errno != EINTR) fault = strerror(errno);
    if (got == 0) break;
    if (got > 0) elf->size += (uint64_t)got;
  }
  close(fd);
  return fault;
}

struct elf *elf_open(const char *path, const char **fault) {
  struct elf *elf = calloc(1, sizeof *elf);
  uint64_t flags;
  *fault = elf == NULL ? "out of memory" : read_whole(elf, path);
  if (*fault == NULL) {
    get(elf, 0, &elf->head, sizeof elf->head);
    *fault = check_head(elf);
  }
  if (*fault == NULL) *fault = find_dynamic(elf);
  if (*fault == NULL && elf_dynamic(elf, DT_FLAGS_1, 0, &flags) &&
      (flags & DF_1_PIE) != 0)
    *fault = "it is an executable (PIE), not a library: link with -shared";
  if (*fault == NULL) return elf;
  if (elf != NULL) free(elf->data);
  free(elf);
  return NULL;
}

size_t elf_symbol_count(const struct elf *elf) {
  return elf->symbol_count;
}

int elf_symbol(const struct elf *elf, size_t index, struct elf_symbol *out) {
  Elf64_Sym symbol;
  if (index >= elf->symbol_count ||
      !get(elf, elf->symbols + index * sizeof symbol, &symbol, sizeof symbol))
    return 0;
  out->name = string_at(elf, symbol.st_name);
  out->type = ELF64_ST_TYPE(symbol.st_info);
  out->bind = ELF64_ST_BIND(symbol.st_info);
  out->defined = symbol.st_shndx != SHN_UNDEF;
  unsigned visibility = ELF64_ST_VISIBILITY(symbol.st_other);
  out->hidden = visibility == STV_HIDDEN || visibility == STV_INTERNAL;
  out->size = symbol.st_size;
  return out->name != NULL;
}

size_t elf_segment_count(const struct elf *elf) {
  return elf->head.e_phnum;
}

struct elf_segment elf_segment(const struct elf *elf, size_t index) {
  Elf64_Phdr p = {0};
  program_header(elf, index, &p);
  return (struct elf_segment){p.p_type, p.p_flags, p.p_memsz};
}
