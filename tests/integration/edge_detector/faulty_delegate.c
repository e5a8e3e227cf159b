/* An external delegate for the tests: it computes every RESHAPE of a model, and fails as it is told.
 *
 * Options: "fail" is none, load, prepare, kernel, invoke; "hang" is none, load, prepare, invoke;
 * "crash" is none, load, invoke. "after": so many invocations go well before the last two fail;
 * "times": so often, then it is well again.
 *
 * The declarations are the beginning of TensorFlow Lite's C interface (tensorflow/lite/core/c/common.h),
 * whose structs only ever grow at their end. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, ERROR = 1, BUILTIN_RESHAPE = 22 };
typedef int Status;

typedef struct { int size; int data[]; } IntArray;
typedef struct Context Context;
typedef struct Delegate Delegate;

typedef struct {
  int type; void *data; IntArray *dims; float scale; int32_t zero_point; int allocation_type;
  size_t bytes; const void *allocation; const char *name; Delegate *delegate; int buffer_handle;
  bool data_is_stale, is_variable; int quantisation; void *quantisation_params; void *sparsity;
  const IntArray *dims_signature;
} Tensor;

typedef struct { IntArray *inputs, *outputs, *intermediates, *temporaries; void *user_data; } Node;
typedef struct { Delegate *delegate; IntArray *nodes, *inputs, *outputs; } Part;
typedef struct { int size; int (*from_to)[2]; } Copies;

typedef struct {
  void *(*init)(Context *, const char *, size_t);
  void (*free)(Context *, void *);
  Status (*prepare)(Context *, Node *);
  Status (*invoke)(Context *, Node *);
  const char *(*profiling_string)(const Context *, const Node *);
  int32_t builtin_code; const char *custom_name; int version;
  void *later[8]; /* fields that newer runtimes read: passed by value, so they must be there */
} Registration;

struct Context {
  size_t tensors_size;
  Status (*execution_plan)(Context *, IntArray **);
  Tensor *tensors; void *impl;
  Status (*resize)(Context *, Tensor *, IntArray *);
  void (*report)(Context *, const char *, ...);
  Status (*add_tensors)(Context *, int, int *);
  Status (*node)(Context *, int, Node **, Registration **);
  Status (*replace)(Context *, Registration, const IntArray *, Delegate *);
};

struct Delegate {
  void *data;
  Status (*prepare)(Context *, Delegate *);
  void *copy_from, *copy_to, *free_handle;
  int64_t flags;
  void *later[8];
};

static char fail_at[16], hang_at[16], crash_at[16];
static int healthy_invocations, invoked, failed, failures = 1 << 30;

int invocations(void) { return invoked; }

static void hang(void) { for (;;) sleep(60); }

static Status reach(const char *stage) {
  if (!strcmp(crash_at, stage)) abort();
  if (!strcmp(hang_at, stage)) hang();
  return strcmp(fail_at, stage) ? OK : ERROR;
}

static void *kernel_init(Context *context, const char *buffer, size_t size) {
  (void)size;
  const IntArray *nodes = ((const Part *)(const void *)buffer)->nodes;
  Copies *copies = malloc(sizeof *copies);
  copies->size = nodes->size;
  copies->from_to = calloc((size_t)nodes->size, sizeof *copies->from_to);
  for (int place = 0; place < nodes->size; place++) {
    Node *node;
    Registration *registration;
    if (context->node(context, nodes->data[place], &node, &registration)) abort();
    copies->from_to[place][0] = node->inputs->data[0];
    copies->from_to[place][1] = node->outputs->data[0];
  }
  return copies;
}

static void kernel_free(Context *context, void *data) {
  (void)context;
  free(((Copies *)data)->from_to);
  free(data);
}

static Status kernel_prepare(Context *context, Node *node) {
  (void)node;
  Status status = reach("kernel");
  if (status) context->report(context, "the accelerator has no memory left");
  return status;
}

static Status kernel_invoke(Context *context, Node *node) {
  if (invoked >= healthy_invocations && failed < failures) {
    failed++;
    Status status = reach("invoke");
    if (status) { context->report(context, "the accelerator was unplugged"); return status; }
  }
  const Copies *copies = node->user_data;
  for (int place = 0; place < copies->size; place++) {
    const Tensor *from = &context->tensors[copies->from_to[place][0]];
    Tensor *to = &context->tensors[copies->from_to[place][1]];
    if (from->bytes != to->bytes) return ERROR;
    memmove(to->data, from->data, to->bytes);
  }
  invoked++;
  return OK;
}

static Status prepare(Context *context, Delegate *delegate) {
  if (reach("prepare")) {
    context->report(context, "no accelerator answers on the bus");
    return ERROR;
  }
  IntArray *plan, *mine;
  if (context->execution_plan(context, &plan)) return ERROR;
  mine = calloc(1, sizeof(IntArray) + sizeof(int) * (size_t)plan->size);
  for (int place = 0; place < plan->size; place++) {
    Node *node;
    Registration *registration;
    if (context->node(context, plan->data[place], &node, &registration)) return ERROR;
    if (registration->builtin_code == BUILTIN_RESHAPE) mine->data[mine->size++] = plan->data[place];
  }
  Registration kernel = {.init = kernel_init, .free = kernel_free, .prepare = kernel_prepare,
                         .invoke = kernel_invoke, .custom_name = "TestDelegate", .version = 1};
  Status status = context->replace(context, kernel, mine, delegate);
  free(mine);
  return status;
}

Delegate *tflite_plugin_create_delegate(const char *const *keys, const char *const *values,
                                        size_t count, void (*report)(const char *)) {
  for (size_t place = 0; place < count; place++) {
    char *slot = !strcmp(keys[place], "fail")    ? fail_at
                 : !strcmp(keys[place], "hang")  ? hang_at
                 : !strcmp(keys[place], "crash") ? crash_at
                                                 : NULL;
    if (slot) snprintf(slot, sizeof fail_at, "%s", values[place]);
    else if (!strcmp(keys[place], "after")) healthy_invocations = atoi(values[place]);
    else if (!strcmp(keys[place], "times")) failures = atoi(values[place]);
    else { report("unknown option "); report(keys[place]); return NULL; }
  }
  if (reach("load")) { report("no accelerator is attached"); return NULL; }
  Delegate *made = calloc(1, sizeof *made);
  made->prepare = prepare;
  return made;
}

void tflite_plugin_destroy_delegate(Delegate *delegate) { free(delegate); }
